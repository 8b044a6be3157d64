// The page that the Saleor Dashboard frames: it learns from the Dashboard who is asking, in which language and in
// which theme, and loads its parts with that. The token stays in memory and goes to our own server only.
import { AppBridge, actions } from "@saleor/app-sdk/app-bridge";
import htmx from "htmx.org";

const PATIENCE = 10_000;
const LOOK_AGAIN = 20_000;

const page = document.getElementById("page");
const query = new URLSearchParams(location.search);
let bridge;
let refused = false;

htmx.config.history = false;

// The Dashboard joins its own parameters in behind those of a link: of a repeated one the last is the Dashboard's.
function last(name) {
  return query.getAll(name).at(-1) ?? "";
}

function dress(theme) {
  if (theme === "light" || theme === "dark") {
    document.documentElement.dataset.theme = theme;
  }
}

function speak(locale) {
  const language = locale.toLowerCase().startsWith("nl") ? "nl" : "en";
  const changed = language !== document.documentElement.lang;
  document.documentElement.lang = language;
  if (changed && bridge.getState().token) {
    load();
  }
}

function show(name) {
  page.replaceChildren(document.getElementById(name).content.cloneNode(true));
}

function load() {
  htmx.trigger(page, "herkend:show");
}

function loadAgain() {
  if (!document.hidden && bridge.getState().token) {
    load();
  }
}

function greet() {
  const patience = setTimeout(() => show("silent"), PATIENCE);
  try {
    bridge = new AppBridge({
      saleorApiUrl: last("saleorApiUrl"),
      initialLocale: document.documentElement.lang,
      initialTheme: document.documentElement.dataset.theme,
    });
  } catch {
    return; // The browser lacks what the bridge needs (no https): the page says so when its patience ends.
  }
  bridge.subscribe("handshake", () => {
    clearTimeout(patience);
    load();
  });
  bridge.subscribe("tokenRefresh", () => refused && load());
  bridge.subscribe("theme", ({ theme }) => dress(theme));
  bridge.subscribe("localeChanged", ({ locale }) => speak(locale));
  setInterval(loadAgain, LOOK_AGAIN);
  document.addEventListener("visibilitychange", loadAgain);
}

document.addEventListener("htmx:config:request", ({ detail }) => {
  const { token, saleorApiUrl } = bridge.getState();
  detail.ctx.request.headers["authorization-bearer"] = token;
  detail.ctx.request.headers["saleor-api-url"] = saleorApiUrl;
  detail.ctx.request.headers["accept-language"] = document.documentElement.lang;
});

document.addEventListener("htmx:after:request", ({ detail }) => {
  refused = detail.ctx.response.status === 401;
});

document.addEventListener("htmx:error", () => show("broken"));

// A frame may not open a window: the Dashboard does it.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-away]");
  if (link && bridge) {
    event.preventDefault();
    bridge.dispatch(actions.Redirect({ to: link.href, newContext: true })).catch(() => {});
  }
});

dress(last("theme"));
if (window.parent === window) {
  show("outside");
} else {
  greet();
}
