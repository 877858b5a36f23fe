"""Users that time out after a third of a second and repeat the request; requests carry the run's
id.
"""

import os

from locust import FastHttpUser, constant, task

from firedrill.contract import RUN_ID_HEADER


class ImpatientUser(FastHttpUser):
    wait_time = constant(0.1)
    network_timeout = 0.3
    connection_timeout = 0.3

    @task
    def ask(self):
        self.client.get("/", headers={RUN_ID_HEADER: os.environ["FIREDRILL_RUN_ID"]})
