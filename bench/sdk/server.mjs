// The official handler behind Node's own server, in two processes: it verifies and answers, and keeps nothing.
import cluster from "node:cluster";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const [port, processes, shopFile] = process.argv.slice(2);

if (cluster.isPrimary) {
  for (let i = 0; i < Number(processes); i++) cluster.fork();
} else {
  const { SaleorAsyncWebhook } = await import("@saleor/app-sdk/handlers/fetch-api");
  const shop = JSON.parse(readFileSync(shopFile, "utf8"));
  // The cheapest of all places to know a shop from: memory.
  const apl = {
    get: async (url) => (url === shop.saleorApiUrl ? shop : undefined),
    set: async () => {},
    delete: async () => {},
    getAll: async () => [shop],
    isReady: async () => ({ ready: true }),
    isConfigured: async () => ({ configured: true }),
  };
  const webhook = new SaleorAsyncWebhook({
    name: "order created",
    webhookPath: "/api/webhooks/order-created",
    event: "ORDER_CREATED",
    apl,
    query: "subscription { event { ... on OrderCreated { order { id } } } }",
  });
  const handle = webhook.createHandler(async () => new Response('{"accepted":true}', { status: 202 }));

  createServer((incoming, outgoing) => {
    const chunks = [];
    incoming.on("data", (chunk) => chunks.push(chunk));
    incoming.on("end", async () => {
      const request = new Request(`http://${incoming.headers.host}${incoming.url}`, {
        method: incoming.method,
        headers: incoming.headers,
        body: Buffer.concat(chunks),
      });
      const response = await handle(request);
      const body = await response.text();
      outgoing.writeHead(response.status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
      outgoing.end(body);
    });
  }).listen(Number(port), "127.0.0.1");
}
