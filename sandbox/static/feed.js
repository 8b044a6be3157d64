// The live feed: each action with its webhooks, the app's decision and what it wrote; and how a standing looks.
import { ask, clock, currentLanguage, day, money, node, pill, t, tierName } from "./texts.js";

const CALM = 2000;
const BUSY = 250;
const IMPATIENT = 10_000;
let shown = "";
let latest = 0;
let actions = [];
let timer;

export function explain(standing) {
  if (!standing) return [];
  if (standing.error) return [node("p", { class: standing.error === "none" ? "quiet" : "error" }, wrong(standing))];
  const dates = [];
  if (standing.since) dates.push(t("since", { date: day(standing.since) }));
  if (standing.until) dates.push(t("until", { date: day(standing.until) }));
  const reasons = standing.reasons?.[currentLanguage()] ?? [];
  if (unknown(standing) && !standing.pending) return [node("p", { class: "quiet" }, t("unknownYet"))];
  return [
    node("div", { class: "standing" },
      pill(tierName(standing.tier), `big ${standing.tier}`),
      dates.length ? node("span", { class: "quiet" }, dates.join(", ")) : "",
      standing.quiet_since ? pill(t("quiet", { date: day(standing.quiet_since) }), "waiting") : "",
      standing.pending ? pill(t("deciding"), "waiting") : ""),
    reasons.length ? node("ul", { class: "reasons" }, reasons.map((text) => node("li", {}, text))) : "",
    standing.publishing === "show_only" ? node("p", { class: "note" }, t("showOnly")) : "",
  ];
}

// The app learns of a person with the first event: until then it has nothing to say, however much was bought.
const unknown = (standing) => standing.tier === "prospect" && !standing.reasons?.en?.length;
const wrong = (standing) => t({ silent: "errorSilent", refused: "errorRefused", none: "errorNone" }[standing.error], standing);

function headline({ kind, details, person }) {
  const sum = details.total === undefined ? "" : money(details.total, details.currency);
  return t(`did_${kind}`, { who: person?.name || person?.email || "", sum, number: details.number });
}

function delivery(one) {
  const parts = [];
  if (one.status === "pending" && !one.attempts) parts.push(pill(t("onTheWay"), "waiting"));
  else parts.push(pill(one.answer ?? t("noAnswer"), one.status === "success" ? "fine" : "bad"));
  if (one.attempts > 1) parts.push(node("span", { class: "quiet" }, t("tries", { count: one.attempts })));
  if (one.ms !== null) parts.push(node("span", { class: "quiet" }, `${one.ms} ms`));
  return node("li", {}, node("code", {}, one.event), node("span", { class: "pills" }, parts));
}

function decided(action) {
  const after = action.standing;
  if (!after) return [node("span", { class: "quiet" }, action.settled ? t("superseded") : t("deciding"))];
  const before = action.before;
  const told = explain(after);
  if (after.error || !before || before.error) return told;
  if (unknown(before)) return unknown(after) ? told : [node("p", { class: "change" }, t("firstMet")), ...told];
  const same = before.tier === after.tier;
  const change = same ? t("unchanged") : t("changed", { before: tierName(before.tier), after: tierName(after.tier) });
  if (same && !action.settled) return told;
  return [node("p", { class: same ? "quiet change" : "change" }, change), ...told];
}

function pretty(value) {
  try { return JSON.stringify(JSON.parse(value), null, 2); } catch { return value; }
}

export function written(key, value, isPrivate, extra = []) {
  const long = value !== null && value.length > 40;
  const line = node("li", {},
    node("span", {}, node("code", {}, key), " ", long ? "" : node("strong", {}, value ?? t("deleted"))),
    node("span", { class: "pills" }, pill(t(isPrivate ? "private" : "public")), extra));
  return long ? [line, node("li", {}, node("details", {}, node("summary", {}, t("showValue")), node("pre", {}, pretty(value))))] : [line];
}

function wrote(action) {
  if (!action.writes.length) {
    const showOnly = action.standing?.publishing === "show_only";
    const text = !action.settled ? "wroteNothingYet" : showOnly ? "showOnly" : "wroteNothing";
    return node("span", { class: "quiet" }, t(text));
  }
  return node("ul", { class: "lines" }, action.writes.flatMap((one) =>
    written(one.key, one.value, one.kind.includes("Private"), [
      pill(t(one.on === "order" ? "onOrder" : "onAccount")),
      one.error ? pill(one.error, "bad") : node("span", { class: "quiet" }, `${one.ms} ms`),
    ])));
}

function article(action) {
  const sent = action.deliveries.length
    ? node("ul", { class: "lines" }, action.deliveries.map(delivery))
    : node("span", { class: "quiet" }, t("nothingSent"));
  return node("article", { class: action.id > latest ? "fresh" : "" },
    node("header", {}, node("strong", {}, headline(action)), node("time", { datetime: action.at }, clock(action.at))),
    node("ol", { class: "steps" },
      node("li", {}, node("span", {}, t("stepSent")), node("div", {}, sent)),
      node("li", {}, node("span", {}, t("stepDecided")), node("div", {}, decided(action))),
      node("li", {}, node("span", {}, t("stepWrote")), node("div", {}, wrote(action)))));
}

export function draw() {
  const place = document.getElementById("feed");
  const open = [...place.querySelectorAll("details")].map((one) => one.open);
  place.replaceChildren(...(actions.length ? actions.map(article) : [node("p", { class: "empty" }, t("feedEmpty"))]));
  if (actions.length && actions[0].id === latest) {
    place.querySelectorAll("details").forEach((one, index) => { one.open = open[index] ?? false; });
  }
  latest = actions[0]?.id ?? 0;
}

// Looks again and again; `settled` hears when the app has made up its mind about what was done last.
export async function follow(settled) {
  clearTimeout(timer);
  let pause = CALM;
  try {
    const found = await ask("/_sandbox/feed");
    const text = JSON.stringify(found);
    const waited = actions.some((one) => !one.settled);
    actions = found;
    if (text !== shown || !text) draw();
    shown = text;
    const busy = found.some((one) => !one.settled);
    if (busy && Date.now() - Date.parse(found[0].at) < IMPATIENT) pause = BUSY;
    if (waited && !busy) settled();
  } catch { /* the shop is away for a moment: look again */ }
  timer = setTimeout(() => follow(settled), document.hidden ? CALM * 5 : pause);
}
