"""Users that hang in a body whose head arrived at once."""

from locust import HttpUser, constant, task


class Downloader(HttpUser):
    wait_time = constant(0.1)
    downloads = 0

    @task
    def download(self):
        self.downloads += 1
        path = "/drip" if self.downloads > 10 else "/"
        for _ in self.client.get(path, name="file", stream=True).iter_content(1024):
            pass
