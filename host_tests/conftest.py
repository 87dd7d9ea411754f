"""Makes the helpers in this folder importable for every test below it, and adds --torture."""


def pytest_addoption(parser):
    parser.addoption(
        "--torture",
        action="store_true",
        help="run on every interpreter what is only sampled on MicroPython otherwise",
    )
