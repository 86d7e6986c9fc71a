"""Payment providers: one adapter each, behind the port of application.payments."""
