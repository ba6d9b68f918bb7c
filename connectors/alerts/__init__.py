"""How alerts reach people: Slack-compatible and signed webhooks, and e-mail. Knows no rule."""
