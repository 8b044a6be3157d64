// The demo page: choose somebody, order, refund, cancel; the feed beside it tells what came of it.
import { draw, explain, follow, written } from "./feed.js";
import { ask, currentLanguage, day, money, node, number, pill, t, translate, wire } from "./texts.js";

const QUICK = ["guest", "account", "one-time", "almost-regular", "regular", "unconfirmed"];
const at = (id) => document.getElementById(id);
let person = null;
let summary = null;
let choices = [];
let active = -1;
let searching = 0;

async function doing(work) {
  const buttons = [...document.querySelectorAll("button:not(:disabled)")];
  buttons.forEach((one) => { one.disabled = true; });
  at("error").hidden = true;
  try {
    await work();
  } catch (error) {
    at("error").textContent = error.message;
    at("error").hidden = false;
  } finally {
    buttons.forEach((one) => { one.disabled = false; });
  }
}

const act = (path, told) => doing(async () => {
  person = await ask(path, told);
  drawPerson();
  await Promise.all([look(), count()]);
});
const look = () => follow(async () => {
  await again();
  await count();
});
const who = () => (person.userId ? { userId: person.userId } : { email: person.email });

async function again() {
  if (!person) return;
  person = await ask(`/_sandbox/person?${new URLSearchParams(who())}`).catch(() => person);
  drawPerson();
}

async function count() {
  summary = await ask("/_sandbox/summary");
  drawSummary();
}

function drawSummary() {
  if (!summary) return;
  at("shop-name").textContent = summary.name;
  at("shop-version").textContent = `Saleor ${summary.version}`;
  const fact = (name, value, more) =>
    node("div", {}, node("dt", {}, t(name)), node("dd", {}, value, more ? node("small", {}, more) : ""));
  const app = summary.app;
  at("facts").replaceChildren(
    fact("accounts", number(summary.accounts)),
    fact("guests", number(summary.guests)),
    fact("orders", number(summary.orders), t("ordersSince", { date: day(summary.since) })),
    fact("spent", money(Math.round(summary.spent), summary.currency).replace(/[.,]00(?=\D*$)/, "")),
    fact("app", app ? `${app.name} ${app.version}` : t("appNone"), t(app ? (app.active ? "appOn" : "appOff") : "appNoneHelp")),
  );
  at("open-frame").hidden = !app;
}

function drawQuick() {
  at("quick").replaceChildren(...QUICK.map((kind) =>
    node("button", { class: "button", type: "button", onclick: () => choose("/_sandbox/pick", { kind }) }, t(`quick_${kind}`))));
}

const choose = (path, told) => act(path, told).then(() => {
  if (person) at("search").value = person.email;
});

function drawPerson() {
  at("person").hidden = !person;
  if (!person) return;
  at("person-name").textContent = person.name || person.email;
  at("person-mail").textContent = person.name ? person.email : "";
  const unconfirmed = person.userId && !person.confirmed;
  at("person-pills").replaceChildren(
    pill(t(person.userId ? "account" : "guest")),
    unconfirmed ? pill(t("unconfirmed"), "waiting") : "",
    unconfirmed ? node("button", { class: "button", type: "button", onclick: () => act("/_sandbox/accounts/confirm", who()) }, t("confirm")) : "",
  );
  const keys = ["public", "private"].flatMap((side) =>
    Object.entries(person.written[side]).flatMap(([key, value]) => written(key, value, side === "private")));
  at("person-word").replaceChildren(
    node("div", {}, explain(person.standing)),
    keys.length ? node("div", {}, node("h3", {}, t("standsInShop")), node("ul", { class: "lines" }, keys)) : "",
  );
  at("orders").replaceChildren(
    node("h3", {}, t("ordersOf")),
    person.list.length
      ? node("ul", { class: "orders" }, person.list.map(order))
      : node("p", { class: "quiet" }, t("noOrders")),
  );
}

function order(one) {
  const button = (what) =>
    node("button", { class: "button", type: "button", onclick: () => act(`/_sandbox/orders/${one.number}/${what}`, {}) }, t(what));
  return node("li", {},
    node("div", {}, node("strong", {}, `#${one.number}`), ` ${day(one.created)}`),
    node("div", { class: "sum" }, money(one.total, one.currency)),
    node("div", { class: "items" }, one.items),
    node("div", { class: "sum quiet" }, one.refunded ? t("refunded", { sum: money(one.refunded, one.currency) }) : ""),
    node("div", { class: "acts" },
      pill(t(`status_${one.status}`), one.status === "CANCELED" ? "bad" : ""),
      one.canRefund ? button("refund") : "",
      one.canRefund ? button("part") : "",
      one.canCancel ? button("cancel") : ""));
}

// --- the search: a combobox as WAI-ARIA describes it

async function search() {
  const text = at("search").value.trim();
  const turn = ++searching;
  if (text.length < 2) return close();
  const found = await ask(`/_sandbox/people?${new URLSearchParams({ search: text })}`).catch(() => []);
  if (turn !== searching) return undefined;
  choices = found.map((one) => ({
    text: one.name ? `${one.name} — ${one.email}` : one.email,
    more: `${t(one.userId ? "account" : "guest")}, ${t("number_of_orders", { count: one.orders })}`,
    take: () => load(one.userId ? { userId: one.userId } : { email: one.email }),
  }));
  if (/^\S+@\S+\.\S+$/.test(text) && !found.some((one) => one.email.toLowerCase() === text.toLowerCase())) {
    choices.unshift(
      { text: t("asGuest", { email: text }), more: t("guest"), take: () => load({ email: text }) },
      { text: t("asAccount", { email: text }), more: t("account"), take: () => choose("/_sandbox/accounts", { email: text }) },
    );
  }
  active = -1;
  return drawChoices();
}

const load = (told) => doing(async () => {
  person = await ask(`/_sandbox/person?${new URLSearchParams(told)}`);
  at("search").value = person.email;
  drawPerson();
});

function drawChoices() {
  at("found").replaceChildren(...(choices.length
    ? choices.map((one, index) => node("li", {
        role: "option", id: `choice-${index}`, "aria-selected": String(index === active),
        onmousedown: (event) => { event.preventDefault(); take(index); },
      }, node("span", {}, one.text), node("span", { class: "quiet" }, one.more)))
    : [node("li", { role: "option", "aria-disabled": "true", "aria-selected": "false" }, node("span", { class: "quiet" }, t("nobody")))]));
  at("found").hidden = false;
  at("search").setAttribute("aria-expanded", "true");
  at("search").setAttribute("aria-activedescendant", active < 0 ? "" : `choice-${active}`);
  at(`choice-${active}`)?.scrollIntoView({ block: "nearest" });
}

function close() {
  searching += 1;
  at("found").hidden = true;
  at("search").setAttribute("aria-expanded", "false");
  at("search").removeAttribute("aria-activedescendant");
}

function take(index) {
  close();
  choices[index]?.take();
}

function keys(event) {
  if (event.key === "Escape") close();
  if (at("found").hidden) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    active = choices.length ? (active + step + choices.length) % choices.length : -1;
    drawChoices();
  }
  if (event.key === "Enter") {
    event.preventDefault();
    take(active < 0 ? 0 : active);
  }
}

// The amount as the reader writes it, as long as nobody has changed it.
function drawAmount() {
  const field = at("total");
  if (field.value === field.defaultValue) {
    field.defaultValue = new Intl.NumberFormat(currentLanguage(), { minimumFractionDigits: 2 }).format(39.95);
    field.value = field.defaultValue;
  }
}

function drawAll() {
  drawAmount();
  drawQuick();
  drawSummary();
  drawPerson();
  draw();
}

at("search").addEventListener("input", search);
at("search").addEventListener("keydown", keys);
at("search").addEventListener("blur", close);
at("order").addEventListener("submit", (event) => {
  event.preventDefault();
  act("/_sandbox/orders", { ...who(), total: at("total").value });
});
wire(drawAll);
translate();
drawAll();
doing(count);
look();
// A link can name whom to show: /?email=... or /?userId=...
const named = new URLSearchParams(location.search);
if (named.get("email") || named.get("userId")) {
  load(named.get("userId") ? { userId: named.get("userId") } : { email: named.get("email") });
}
