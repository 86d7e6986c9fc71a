"""English."""

from typing import Final

from api.localisation.catalogue import Catalogue, Notice

ENGLISH: Final = Catalogue(
    language="en",
    notices={
        Notice.WELCOME: "Welcome.",
        Notice.APPLICATION_WAITS: "Your application waits for approval. You will hear from us by email.",
        Notice.SIGNED_OUT: "Signed out.",
        Notice.SIGNED_OUT_EVERYWHERE: "Signed out everywhere.",
        Notice.CODE_TO_ENTER: "We mail you a code. Enter it to verify your email address, then sign in.",
        Notice.LINK_TO_FOLLOW: "We mail you a link. Follow it to verify your email address, then sign in.",
        Notice.CODE_MAYBE_MAILED: "If this address has an account that waits for a code, the code is on its way.",
        Notice.LINK_MAYBE_MAILED: "If this address has an account that waits for a link, the link is on its way.",
        Notice.CODE_SENT: "The code is on its way.",
        Notice.EMAIL_VERIFIED: "Your email address is verified.",
        Notice.PHONE_VERIFIED: "Your phone is verified. You can sign in by it.",
        Notice.CODE_ACCEPTED: "Choose a new password within 10 minutes.",
        Notice.PASSWORD_CHANGED: "Your password is changed. All other sessions are signed out.",
        Notice.PASSWORD_SET: "Your password is changed. Sign in with it.",
    },
)
