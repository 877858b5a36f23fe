"""Users of both HTTP clients that hang in a streamed body, and one that keeps bodies unread."""

from locust import FastHttpUser, HttpUser, constant


def read_in_pieces(user):
    for _ in user.client.get("/drip", name="streamed", stream=True).iter_content(1024):
        pass


def read_as_stream(user):
    user.client.get("/drip", name="streamed", stream=True).stream.read()


def read_in_block(user):
    with user.client.get("/drip", name="judged", stream=True, catch_response=True) as response:
        response.success() if response.content else response.failure("empty")


def break_in_block(user):
    with user.client.get("/broken", name="judged", stream=True, catch_response=True) as response:
        response.success() if response.content else response.failure("empty")


class User(HttpUser):
    abstract = True
    fixed_count = 1
    wait_time = constant(600)


class SlowUser(User):
    tasks = (read_in_pieces,)


class SlowJudge(User):
    tasks = (read_in_block,)


class BrokenUser(User):
    tasks = (break_in_block,)


class Keeper(User):
    kept = []  # noqa: RUF012 - for as long as the process runs

    def keep(self):
        for _ in range(3):
            self.kept.append(self.client.get("/drip", name="kept", stream=True))
        self.client.get("/", name="next")

    tasks = (keep,)


class FastUser(FastHttpUser):
    fixed_count = 1
    tasks = (read_as_stream,)
    wait_time = constant(600)


class FastJudge(FastHttpUser):
    fixed_count = 1
    tasks = (read_in_block,)
    wait_time = constant(600)


class BrokenFastUser(FastHttpUser):
    fixed_count = 1
    tasks = (break_in_block,)
    wait_time = constant(600)
