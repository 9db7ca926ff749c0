"""`servery webhook`: URLs that are notified of promoted versions and unsure photos."""

from __future__ import annotations

from dataclasses import asdict

import click

from backend.client import BackendClient
from backend.contract import CreatedWebhook, NewWebhook, Webhook, WebhookTopic
from desktop.commands import options
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import (
    print_json,
    print_json_lines,
    print_line,
    print_message,
    print_table,
)


@click.group()
def webhook() -> None:
    """Notify URLs of promoted versions and unsure photos."""


@webhook.command()
@click.argument("url")
@click.option(
    "--topic",
    "topics",
    type=click.Choice([topic.value for topic in WebhookTopic]),
    multiple=True,
    help="What to notify it of (repeatable).  [default: everything]",
)
@options.backend
@options.as_json
def add(target: BackendTarget, url: str, topics: tuple[str, ...], as_json: bool) -> None:
    """Notify URL of what happens, and print the secret of its messages.

    It signs each, and is printed this once. Messages are as the Standard Webhooks
    specification has them.
    """
    chosen = [WebhookTopic(topic) for topic in topics] or list(WebhookTopic)

    async def create(client: BackendClient) -> CreatedWebhook:
        return await client.add_webhook(NewWebhook(url, chosen))

    created = target.run(create)
    if as_json:
        print_json({**asdict(created.webhook), "secret": created.secret})
    else:
        print_line(created.secret)
    print_message(f"The webhook {created.webhook.id} was added. The secret is not shown again.")


@webhook.command(name="list")
@options.backend
@options.as_json_lines
def list_webhooks(target: BackendTarget, as_json: bool) -> None:
    """List the webhooks, and how many messages each was sent."""

    async def fetch(client: BackendClient) -> list[Webhook]:
        return await client.webhooks()

    found = target.run(fetch)
    if as_json:
        print_json_lines(asdict(each) for each in found)
        return
    rows = [
        (each.id, each.url, ", ".join(each.topics), str(each.delivered), each.problem or "-")
        for each in found
    ]
    print_table(("ID", "URL", "TOPICS", "DELIVERED", "PROBLEM"), rows)


@webhook.command()
@click.argument("webhook_id", metavar="ID")
@options.backend
@options.as_json
def remove(target: BackendTarget, webhook_id: str, as_json: bool) -> None:
    """Notify a webhook no more."""

    async def forget(client: BackendClient) -> None:
        await client.remove_webhook(webhook_id)

    target.run(forget)
    if as_json:
        print_json({"id": webhook_id})
    else:
        print_message("Removed.")
