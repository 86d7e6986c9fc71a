"""Routes of accounts: signing up, in and out, profiles, what admins do."""
