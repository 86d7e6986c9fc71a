"""One purchase from the seller's sign-up to the seller's earnings, and one that is called off, on the whole product."""

import asyncio
import json
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infrastructure.embedded.services import ServiceUrls
from tests.journeys.shop import USD, MailBox, Person, Shop, open_shop, text_of, until, wish
from tests.support.running import environment_of, running

pytestmark = [pytest.mark.services, pytest.mark.slow]


async def test_a_purchase_from_the_sellers_sign_up_to_the_sellers_earnings(
    urls: ServiceUrls, database_url: str, tmp_path: Path
) -> None:
    environment = environment_of(urls.as_environment(), database_url)
    async with running(environment, tmp_path) as daftar, open_shop(daftar) as shop:
        mailbox = MailBox(urls.mail_folder, shop)
        seller = await a_seller_is_approved(shop)
        listing_id = await goods_are_put_on_sale(shop, seller)
        customer = await shop.customer("zebo")
        await they_are_found_although_misspelt(shop, listing_id)
        order = await the_cart_becomes_a_paid_order(shop, customer, listing_id)
        await the_seller_sends_it_and_it_arrives(shop, seller, customer, order)
        called_off = await another_order_is_called_off(shop, seller, customer, listing_id)
        await the_seller_has_earned(shop, seller, order)
        await the_figures_are_right(shop, seller)
        await everybody_got_their_mails_once(shop, mailbox, seller, customer, order, called_off)
        await asyncio.gather(the_past_is_shown_as_it_was(shop, order), the_tail_has_every_event_once(shop))
        await a_rebuild_changes_no_answer(shop, seller, customer, listing_id, order)


async def a_seller_is_approved(shop: Shop) -> Person:
    """Nobody sells before an admin has said yes."""
    applied = (await shop.register("anvar", "seller")).data
    assert "accessToken" not in applied
    login = {"email": shop.address("anvar"), "password": "a password of tests only"}
    assert (await shop.post("/auth/login", login)).code == "ACCOUNT_PENDING"
    path = f"/admin/sellers/{applied['user']['id']}/approve"
    _ = (await shop.post(path, by=await shop.admin())).data
    return await shop.sign_in(shop.address("anvar"))


async def goods_are_put_on_sale(shop: Shop, seller: Person) -> str:
    """A listing in a category; nobody sees it before it is published."""
    category = (await shop.post("/categories", {"name": "Ceramics"}, await shop.admin())).data
    body = {
        "name": "Blue teapot from Rishtan",
        "price": {"amount": "12.50", "currency": USD},
        "stockQuantity": 10,
        "categoryId": category["categoryId"],
    }
    listing_id: str = (await shop.post("/listings", body, seller)).data["listingId"]
    assert (await shop.get(f"/listings/{listing_id}")).status == 404
    _ = (await shop.post(f"/listings/{listing_id}/publish", by=seller)).data
    return listing_id


async def they_are_found_although_misspelt(shop: Shop, listing_id: str) -> None:
    """As people type."""
    found = (await shop.get("/listings/search?q=blu+teepot")).data
    assert [item["listingId"] for item in found] == [listing_id]
    assert found[0]["category"]["name"] == "Ceramics"


async def the_cart_becomes_a_paid_order(shop: Shop, customer: Person, listing_id: str) -> dict[str, Any]:
    """Two pieces through the cart."""
    _ = (await shop.post("/cart/items", {"listingId": listing_id, "quantity": 2}, customer)).data
    cart = (await shop.get("/cart", customer)).data
    assert [(line["listingId"], line["quantity"]) for line in cart["items"]] == [(listing_id, 2)]
    assert cart["subtotals"] == [{"amount": "25.00", "currency": USD, "minor": 2500}]
    order: dict[str, Any] = (await shop.post("/orders", wish(), customer)).data
    assert (await shop.get("/cart", customer)).data["items"] == []
    assert (await shop.get(f"/orders/{order['orderId']}", customer)).data["status"] == "pending"
    await shop.pay(order, customer)
    shown = (await shop.get(f"/orders/{order['orderId']}", customer)).data
    assert shown["status"] == "confirmed"
    assert shown["items"][0]["quantity"] == 2
    assert shown["amounts"]["subtotal"]["minor"] == 2500
    return order


async def the_seller_sends_it_and_it_arrives(
    shop: Shop, seller: Person, customer: Person, order: dict[str, Any]
) -> None:
    """Each step is in the customer's history."""
    path = f"/orders/{order['orderId']}"
    _ = (await shop.post(f"{path}/process", by=seller)).data
    assert (await shop.post(f"{path}/cancel", {"reason": "Too late"}, customer)).code == "INVALID_ORDER_STATE"
    _ = (await shop.post(f"{path}/ship", {"trackingNumber": "UZ-42"}, seller)).data
    _ = (await shop.post(f"{path}/deliver", by=seller)).data
    history = (await shop.get(f"{path}/history", customer)).data
    assert [(entry["status"], entry["by"]) for entry in history] == [
        ("pending", "customer"),
        ("confirmed", "system"),
        ("processing", "seller"),
        ("shipped", "seller"),
        ("delivered", "seller"),
    ]
    assert (await shop.get(path, customer)).data["tracking"]["trackingNumber"] == "UZ-42"


async def another_order_is_called_off(
    shop: Shop, seller: Person, customer: Person, listing_id: str
) -> dict[str, Any]:
    """Its goods can be sold again and all its money goes back."""
    order: dict[str, Any] = (await shop.post("/orders", wish((listing_id, 3)), customer)).data
    await shop.pay(order, customer)
    assert await shop.stock_of(listing_id, seller) == (5, 5)
    _ = (await shop.post(f"/orders/{order['orderId']}/cancel", {"reason": "Changed my mind"}, customer)).data

    async def given_back() -> bool:
        payment = (await shop.get(f"/payments/{order['paymentId']}", customer)).data
        return bool(payment["refunded"] == order["total"])

    await until(given_back, "the payment is refunded")
    assert await shop.stock_of(listing_id, seller) == (8, 8)
    shown = (await shop.get(f"/orders/{order['orderId']}", customer)).data
    assert shown["status"] in {"cancelled", "refunded"}
    assert "Changed my mind" in {entry["reason"] for entry in shown["history"]}
    return order


async def the_seller_has_earned(shop: Shop, seller: Person, order: dict[str, Any]) -> None:
    """What was delivered, less the house's share; nothing for what was called off."""

    async def earned() -> list[dict[str, Any]]:
        totals: list[dict[str, Any]] = (await shop.get("/seller/earnings", seller)).data
        return totals

    [earnings] = await until(earned, "the delivered order has earned something")
    rate = (await shop.get(f"/orders/{order['orderId']}", seller)).data["items"][0]["commissionRate"]
    assert 0 < rate < 10_000
    commission = 2500 * rate // 10_000
    assert earnings["currency"] == USD
    assert earnings["lines"] == 1
    assert earnings["gross"]["minor"] == 2500
    assert earnings["commission"]["minor"] == commission
    assert earnings["net"]["minor"] == earnings["due"]["minor"] == 2500 - commission
    [entry] = (await shop.get("/seller/earnings/entries", seller)).data
    assert entry["orderNumber"] == order["orderNumber"]


async def the_figures_are_right(shop: Shop, seller: Person) -> None:
    """The seller's own and the marketplace's."""
    await shop.caught_up()
    [mine] = (await shop.get("/seller/dashboard", seller)).data["series"]
    assert (mine["ordersPlaced"], mine["ordersConfirmed"], mine["ordersCancelled"]) == (2, 2, 1)
    assert (mine["units"], mine["gross"]["minor"], mine["cancelled"]["minor"]) == (5, 6250, 3750)
    [all_sales] = (await shop.get("/analytics/sales", await shop.admin())).data["series"]
    assert (all_sales["ordersPlaced"], all_sales["ordersConfirmed"], all_sales["units"]) == (2, 2, 5)
    assert all_sales["subtotal"]["minor"] == 6250
    assert all_sales["commission"]["minor"] + all_sales["sellerNet"]["minor"] == 2500


async def everybody_got_their_mails_once(
    shop: Shop,
    mailbox: MailBox,
    seller: Person,
    customer: Person,
    order: dict[str, Any],
    called_off: dict[str, Any],
) -> None:
    """And nothing else."""
    number, other = order["orderNumber"], called_off["orderNumber"]
    company = "Welcome to"
    await mailbox.until_all_have_come(
        {
            (seller.email, "Confirm your email address"),
            (customer.email, "Confirm your email address"),
            (seller.email, "Your seller account is approved"),
            (customer.email, f"Order {number} is confirmed"),
            (customer.email, f"Order {number} is on its way"),
            (customer.email, f"Order {other} is confirmed"),
        }
    )

    async def welcomed() -> bool:
        return all(
            any(subject.startswith(company) for subject in mailbox.subjects(person.email))
            for person in (seller, customer)
        )

    await until(welcomed, "both are welcomed")
    assert len(mailbox.subjects(seller.email)) == 3, mailbox.subjects(seller.email)
    assert len(mailbox.subjects(customer.email)) == 5, mailbox.subjects(customer.email)
    confirmation, shipped = (
        next(text_of(mail) for mail in mailbox.mails() if mail["Subject"] == f"Order {number} is {what}")
        for what in ("confirmed", "on its way")
    )
    assert number in confirmation
    assert "Blue teapot from Rishtan" in confirmation
    assert "UZ-42" in shipped


async def the_past_is_shown_as_it_was(shop: Shop, order: dict[str, Any]) -> None:
    """The order a moment before it was sent."""
    whole = json.loads(await tool(shop, "replay", f"order/{order['orderId']}", "--json"))
    assert whole["state"]["status"] == "delivered"
    [sent] = [event for event in whole["events"] if event["name"].startswith("orders.OrderShipped.")]
    before = datetime.fromisoformat(sent["recordedAt"]) - timedelta(microseconds=1)
    then = json.loads(
        await tool(shop, "replay", f"order/{order['orderId']}", "--at", before.isoformat(), "--json")
    )
    assert then["state"]["status"] == "processing"
    assert then["events"] == [event for event in whole["events"] if event["position"] < sent["position"]]
    assert then["laterEvents"] == 2


async def a_rebuild_changes_no_answer(
    shop: Shop, seller: Person, customer: Person, listing_id: str, order: dict[str, Any]
) -> None:
    """Every screen says after the rebuild what it said before."""
    admin = await shop.admin()
    await shop.caught_up()
    screens: list[tuple[str, Person | None]] = [
        ("/listings", None),
        (f"/listings/{listing_id}", seller),
        ("/listings/search?q=teepot", None),
        ("/categories", None),
        ("/auth/me", customer),
        (f"/profile/{seller.account_id}", customer),
        ("/cart", customer),
        ("/orders", customer),
        ("/orders", admin),
        (f"/orders/{order['orderId']}", customer),
        (f"/orders/{order['orderId']}", seller),
        (f"/orders/{order['orderId']}/history", customer),
        (f"/orders/{order['orderId']}/payments", admin),
        ("/seller/orders", seller),
        ("/admin/payments", admin),
        ("/seller/earnings", seller),
        ("/seller/earnings/entries", seller),
        ("/seller/dashboard", seller),
        ("/analytics/sales", admin),
    ]

    async def answers() -> dict[str, Any]:
        shown = {}
        for path, by in screens:
            answer = await shop.get(path, by)
            shown[f"{path} by {by.email if by else 'anybody'}"] = answer.data
        return shown

    before = await answers()
    assert all(before.values())
    await tool(shop, "rebuild", "--all")
    await shop.caught_up()
    assert await answers() == before


async def the_tail_has_every_event_once(shop: Shop) -> None:
    """From the first to the last, of the log and of each stream."""
    printed = await tool(shop, "tail", "--from", "1", "--no-follow", "--json")
    events = [json.loads(line) for line in printed.splitlines()]
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    assert len(events) >= shop.position
    versions: dict[str, list[int]] = defaultdict(list)
    for event in events:
        versions[event["streamId"]].append(event["version"])
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values())
    names = [event["name"].rpartition(".v")[0] for event in events]
    assert names.count("orders.OrderPlaced") == 2
    assert names.count("orders.OrderShipped") == 1
    assert names.count("payments.PaymentRefunded") == 1


async def tool(shop: Shop, *arguments: str) -> str:
    """Run a command of `daftar` that must succeed; its output."""
    code, output = await shop.daftar.daftar(*arguments)
    assert code == 0, output
    return output
