"""`WebhooksServer` of huggingface_hub, with a function that stores nothing: PORT."""

from __future__ import annotations

import sys

import gradio
from huggingface_hub import WebhookPayload, WebhooksServer

from bench.payload import SECRET


def main(port: int) -> None:
    """Serve until the process is ended."""
    with gradio.Blocks() as page:
        gradio.Markdown("bench")
    server = WebhooksServer(ui=page, webhook_secret=SECRET)

    @server.add_webhook("/hub")
    async def hub(payload: WebhookPayload) -> dict[str, str]:
        return {"scope": payload.event.scope}

    server.launch(server_name="127.0.0.1", server_port=port, share=False, quiet=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
