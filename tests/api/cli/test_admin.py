"""The first administrator is made from the command line, once."""

import asyncio

import pytest

from api.assembly import open_services
from api.cli.demo_shop import CUSTOMER
from api.cli.seeding import seed_demo
from application.shared.caller import Caller
from domain.accounts.roles import Role
from infrastructure.bootstrap import Machinery
from tests.api.cli.conftest import Run, facts

pytestmark = pytest.mark.services

EMAIL = "owner@example.uz"
PASSWORD = "a quiet teapot"


async def role_of(tools: Machinery, email: str, password: str) -> Role:
    async with open_services(tools) as services:
        done = await services.door.log_in.log_in(email=email, password=password, caller=Caller())
    role: Role = done.result.role
    return role


@pytest.fixture
async def demo(tools: Machinery) -> None:
    await seed_demo(tools)


@pytest.fixture
def made(tools: Machinery, run: Run) -> object:
    return facts(run("admin", "create", EMAIL, "--password-stdin", "--json", stdin=f"{PASSWORD}\n"))


async def test_the_admin_can_sign_in(made: object, tools: Machinery) -> None:
    assert isinstance(made, dict)
    assert made["created"] is True
    assert await role_of(tools, EMAIL, PASSWORD) is Role.SUPER_ADMIN


async def test_spaces_belong_to_the_password(tools: Machinery, run: Run) -> None:
    arguments = ("admin", "create", EMAIL, "--super", "--password-stdin")
    made = await asyncio.to_thread(run, *arguments, stdin=f" {PASSWORD} \r\nand what follows\n")
    assert made.exit_code == 0, made.output
    assert PASSWORD not in made.output
    assert await role_of(tools, EMAIL, f" {PASSWORD} ") is Role.SUPER_ADMIN


def test_one_that_is_there_stays_as_it_is(made: object, run: Run) -> None:
    again = run("admin", "create", EMAIL.upper(), "--password-stdin", stdin="another password\n")
    assert again.exit_code == 0
    assert "is there already" in again.stdout


@pytest.mark.parametrize(
    ("email", "password", "said"),
    [
        (EMAIL, "short", "8 to 255 characters"),
        ("nobody", PASSWORD, "valid email address"),
        (EMAIL, "", "8 to 255 characters"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(
    tools: Machinery, run: Run, email: str, password: str, said: str
) -> None:
    refused = run("admin", "create", email, "--password-stdin", stdin=f"{password}\n")
    assert refused.exit_code == 1
    assert said in refused.stderr


def test_a_customer_is_not_lifted_into_the_house(demo: None, run: Run) -> None:
    refused = run("admin", "create", CUSTOMER.email, "--password-stdin", stdin=f"{PASSWORD}\n")
    assert refused.exit_code == 1
    assert "no super admin" in refused.stderr
    assert CUSTOMER.email not in refused.stderr


@pytest.mark.parametrize("arguments", [("--password-stdin",), ()])
def test_without_a_password_nothing_happens(tools: Machinery, run: Run, arguments: tuple[str, ...]) -> None:
    refused = run("admin", "create", EMAIL, *arguments)
    assert refused.exit_code == 2
    assert "standard input" in refused.stderr or "--password-stdin" in refused.stderr
