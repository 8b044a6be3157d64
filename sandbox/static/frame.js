// Plays the Saleor Dashboard around an app's page: frames it, and speaks the host's side of the AppBridge.
import { ask, currentLanguage, node, t, theme, wire } from "./texts.js";

const REFRESH = 4 * 60 * 1000;
const place = document.getElementById("place");
let facts = null;
let frame = null;
let ready = false;

function post(type, payload) {
  frame?.contentWindow.postMessage({ type, payload }, new URL(facts.src).origin);
}

function greet() {
  ready = true;
  post("handshake", {
    token: facts.token,
    version: 1,
    saleorVersion: facts.saleorVersion,
    dashboardVersion: facts.dashboardVersion,
  });
  changed();
}

function changed() {
  if (facts) document.getElementById("where").textContent = t("asDashboard", { app: facts.name, shop: facts.shop });
  if (!ready) return;
  post("theme", { theme: theme() });
  post("localeChanged", { locale: currentLanguage() });
}

const ACTIONS = {
  notifyReady: greet,
  redirect: ({ to }) => open(to, "_blank", "noopener"),
  widgetResize: ({ height }) => { frame.style.height = `${Number(height)}px`; },
};

function heard({ origin, source, data }) {
  if (!facts || source !== frame?.contentWindow || origin !== new URL(facts.src).origin) return;
  const { type, payload = {} } = data ?? {};
  ACTIONS[type]?.(payload);
  if (payload.actionId) post("response", { actionId: payload.actionId, ok: true });
}

async function begin() {
  try {
    facts = await ask("/_sandbox/frame");
  } catch (error) {
    place.replaceChildren(node("p", { class: "message" }, error.message));
    return;
  }
  frame = node("iframe", {
    src: `${facts.src}&theme=${theme()}`,
    title: t("frameTitle"),
    sandbox: "allow-same-origin allow-forms allow-scripts allow-downloads allow-popups",
  });
  place.replaceChildren(frame);
  changed();
  setInterval(async () => {
    facts = await ask("/_sandbox/frame").catch(() => facts);
    if (ready) post("tokenRefresh", { token: facts.token });
  }, REFRESH);
}

addEventListener("message", heard);
wire(changed);
begin();
