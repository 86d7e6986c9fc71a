"""What every route has in common, shown with a ticket office that exists only here."""
