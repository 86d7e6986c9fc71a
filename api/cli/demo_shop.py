"""What the demo's marketplace is made of: people, shelves, goods and purchases, as plain data."""

import hashlib
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from domain.accounts.roles import AccountKind
from domain.orders.order import OrderStatus
from domain.shared.personal import Address

CURRENCY: Final = "usd"

DEMO_PASSWORD: Final = "demo-password-1"  # noqa: S105 - not a secret: everybody may know it, and production never has it

_EPOCH_MS: Final = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""


def demo_id(kind: str, name: str) -> UUID:
    """The same id in every demo, so that commands can be copied from a page; it has the form of a UUIDv7 (D-46)."""
    digest = hashlib.sha256(f"daftar demo {kind} {name}".encode()).digest()
    rest = int.from_bytes(digest[:10], "big")
    return UUID(
        int=(_EPOCH_MS << 80)
        | (0x7 << 76)
        | ((rest >> 64 & 0xFFF) << 64)
        | (0b10 << 62)
        | (rest & (1 << 62) - 1)
    )


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with an account; all have the same password."""

    email: str
    name: str
    kind: AccountKind
    business_name: str | None = None


ADMIN_EMAIL: Final = "admin@daftar.local"
"""The demo's super admin, where the settings name none."""

SELLERS: Final = (
    Person(
        email="seller@daftar.local",
        name="Anvar Rashidov",
        kind=AccountKind.SELLER,
        business_name="Registan Crafts",
    ),
    Person(
        email="seller2@daftar.local",
        name="Malika Yusupova",
        kind=AccountKind.SELLER,
        business_name="Silk Road Pantry",
    ),
)
CUSTOMER: Final = Person(email="customer@daftar.local", name="Zebo Karimova", kind=AccountKind.CUSTOMER)

ADDRESS: Final = Address(
    first_name="Zebo",
    last_name="Karimova",
    address1="Amir Temur 1",
    city="Tashkent",
    postal_code="100000",
    country="UZ",
)

CATEGORIES: Final = ("Ceramics", "Textiles", "Tea and coffee", "Dried fruit and nuts", "Home and garden")


class Goods(msgspec.Struct, frozen=True):
    """One listing: `minor` is its price in US cents, `seller` counts in `SELLERS`."""

    name: str
    category: str
    seller: int
    minor: int
    stock: int
    tags: tuple[str, ...]
    weight: Decimal
    description: str

    @property
    def listing_id(self) -> UUID:
        """The same in every demo."""
        return demo_id("listing", self.name)


def _shelf(category: str, seller: int, *goods: tuple[str, int, int, str, str, str]) -> tuple[Goods, ...]:
    return tuple(
        Goods(name, category, seller, minor, stock, tuple(tags.split()), Decimal(weight), description)
        for name, minor, stock, tags, weight, description in goods
    )


GOODS: Final = (
    *_shelf(
        "Ceramics",
        0,
        ("Blue teapot from Rishtan", 34_00, 24, "teapot blue handmade", "0.9", "Hand-painted, holds 900 ml."),
        ("Tea bowl with pomegranate", 7_50, 180, "bowl handmade gift", "0.2", "A piala of fine white clay."),
        ("Set of six tea bowls", 39_00, 40, "bowl set gift", "1.3", "Six piala bowls in a gift box."),
        ("Large plov plate", 46_00, 15, "plate lagan blue", "2.1", "A lagan of 38 cm for the whole table."),
        ("Soup bowl, turquoise glaze", 12_00, 75, "bowl turquoise", "0.5", "Deep enough for lagman."),
        ("Salt cellar", 5_90, 120, "salt small gift", "0.1", "A small bowl with a lid and a spoon."),
        ("Floor vase, cobalt", 129_00, 3, "vase blue large", "6.8", "60 cm high; every piece is different."),
        ("Sugar bowl with lid", 14_50, 2, "sugar bowl", "0.4", "The last ones of this glaze."),
    ),
    *_shelf(
        "Textiles",
        0,
        ("Ikat scarf, silk", 49_00, 60, "scarf silk ikat", "0.1", "Woven in Margilan, 180 by 45 cm."),
        ("Adras fabric, by the metre", 18_00, 400, "fabric ikat", "0.2", "Half silk, half cotton."),
        ("Suzani cushion cover", 32_00, 35, "cushion embroidery", "0.3", "Embroidered by hand, 45 by 45 cm."),
        ("Suzani wall hanging", 240_00, 4, "embroidery large", "2.4", "Silk on cotton, 200 by 150 cm."),
        ("Quilted jacket", 98_00, 22, "jacket ikat", "0.8", "A chapan lined with cotton; sizes S to L."),
        ("Tablecloth, cotton", 36_00, 48, "table cotton", "0.7", "Block-printed, 150 by 220 cm."),
        ("Embroidered skullcap", 16_00, 90, "cap gift", "0.1", "A do'ppi from Chust in black and white."),
        ("Felt slippers", 21_00, 55, "felt slippers warm", "0.4", "Sheep's wool, soft soles."),
    ),
    *_shelf(
        "Tea and coffee",
        1,
        ("Green tea No. 95", 6_20, 500, "tea green", "0.25", "The everyday tea of Tashkent, 250 g."),
        (
            "Black tea with thyme",
            7_80,
            260,
            "tea black herbs",
            "0.2",
            "Mountain thyme from Bostanlyk, 200 g.",
        ),
        ("Saffron, one gram", 9_50, 140, "saffron spice", "0.02", "Threads, picked by hand."),
        ("Coffee, medium roast", 13_40, 210, "coffee beans", "0.5", "Whole beans, roasted weekly, 500 g."),
        (
            "Coffee, dark roast",
            13_40,
            0,
            "coffee beans",
            "0.5",
            "Whole beans; sold out until the next roast.",
        ),
        ("Rose hip infusion", 5_40, 130, "tea herbs fruit", "0.15", "Dried whole hips, no caffeine, 150 g."),
        ("Tea gift box", 28_00, 45, "tea gift set", "0.8", "Four teas and a small tin."),
        ("Copper coffee pot", 27_50, 18, "coffee copper", "0.6", "For two cups, tinned inside."),
    ),
    *_shelf(
        "Dried fruit and nuts",
        1,
        ("Apricots with stones", 8_90, 320, "apricots fruit", "0.5", "Sun-dried, no sugar added, 500 g."),
        ("Raisins from Samarkand", 6_70, 450, "raisins fruit", "0.5", "Dried in the shade, 500 g."),
        ("Pistachios, roasted", 16_80, 170, "nuts pistachios", "0.4", "Lightly salted, 400 g."),
        ("Walnut halves", 11_20, 200, "nuts walnuts", "0.4", "This year's harvest, 400 g."),
        ("Almonds in the shell", 9_90, 150, "nuts almonds", "0.5", "Thin shells, opened by hand, 500 g."),
        ("Dried melon, braided", 12_60, 80, "melon fruit", "0.3", "From Khorezm, 300 g."),
        ("Mulberries", 7_30, 95, "mulberries fruit", "0.25", "White, sun-dried, 250 g."),
        ("Festive platter", 44_00, 25, "fruit nuts gift set", "1.8", "Eight kinds on a wooden tray."),
    ),
    *_shelf(
        "Home and garden",
        1,
        ("Walnut chopping board", 29_00, 64, "kitchen wood", "1.2", "Oiled, 38 by 24 cm."),
        ("Carved jewellery box", 52_00, 12, "wood gift handmade", "0.7", "Elm, carved in Khiva."),
        ("Bread stamp", 8_40, 110, "kitchen bread", "0.1", "A chekich: the pattern of real non bread."),
        (
            "Cast-iron kazan, 8 litres",
            68_00,
            20,
            "kitchen plov",
            "9.5",
            "For plov over a fire or on a stove.",
        ),
        ("Skimmer for plov", 11_00, 85, "kitchen plov", "0.3", "Steel, with a long handle."),
        ("Pocket knife from Chust", 58_00, 9, "knife handmade", "0.2", "Carbon steel, horn handle."),
        ("Garden lantern", 23_50, 33, "garden light", "0.9", "Pierced copper for a tea light."),
        ("Melon seeds, Torpeda", 3_20, 600, "garden seeds", "0.02", "Twenty seeds; sow in May."),
    ),
)


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """One order of the customer's: what was bought, and how far it has come. One seller each."""

    name: str
    lines: tuple[tuple[str, int], ...]
    status: OrderStatus

    @property
    def order_id(self) -> UUID:
        """The same in every demo."""
        return demo_id("order", self.name)


PURCHASES: Final = (
    Purchase(
        name="delivered",
        lines=(("Blue teapot from Rishtan", 1), ("Set of six tea bowls", 1)),
        status=OrderStatus.DELIVERED,
    ),
    Purchase(
        name="shipped",
        lines=(("Coffee, medium roast", 2), ("Festive platter", 1)),
        status=OrderStatus.SHIPPED,
    ),
    Purchase(name="processing", lines=(("Ikat scarf, silk", 1),), status=OrderStatus.PROCESSING),
    Purchase(
        name="confirmed",
        lines=(("Pistachios, roasted", 3), ("Walnut chopping board", 1)),
        status=OrderStatus.CONFIRMED,
    ),
    Purchase(name="pending", lines=(("Quilted jacket", 1),), status=OrderStatus.PENDING),
    Purchase(name="cancelled", lines=(("Floor vase, cobalt", 1),), status=OrderStatus.CANCELLED),
)
