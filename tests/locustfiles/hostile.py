"""Users whose requests have names that no web page should trust."""

from locust import HttpUser, constant, task

SCRIPT = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"


class HostileUser(HttpUser):
    wait_time = constant(0.3)

    @task(4)
    def ask(self):
        self.client.get("/")

    @task
    def attack(self):
        self.client.get("/", name=SCRIPT)

    @task
    def drone_on(self):
        self.client.get("/fail", name="/" + "long-" * 60)

    @task
    def calculate(self):
        self.client.get("/", name='=cmd|"/C calc"!A1')
