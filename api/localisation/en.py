"""English."""

from typing import Final

from api.localisation.catalogue import Catalogue, Notice

ENGLISH: Final = Catalogue(
    language="en",
    notices={
        Notice.WELCOME: "Welcome.",
        Notice.APPLICATION_WAITS: "Your application waits for approval. You will hear from us by email.",
        Notice.SIGNED_OUT: "Signed out.",
    },
)
