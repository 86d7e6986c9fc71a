"""The real-time channel: WebSockets (requirements RT-01, RT-02, TOK-17)."""
