// Every text of the page, in English and Dutch; {name} is filled in. Also dates, money and numbers of the reader.
const TEXTS = {
  en: {
    skip: "Skip to the page",
    title: "Sandbox shop",
    other: "Nederlands",
    themeDark: "Dark colours",
    themeLight: "Light colours",
    openFrame: "Open Herkend as in the Dashboard",
    openFrameShort: "Dashboard",
    backToShop: "Back to the shop",
    backToShopShort: "Shop",
    intro: "This shop stands in for Saleor. Whatever you do here it tells the app by signed webhooks, as a real shop does; beside it you see what the app answered, what it decided and why, and what it wrote into the shop.",
    accounts: "Accounts",
    guests: "Guests",
    orders: "Orders",
    ordersSince: "since {date}",
    spent: "Sold",
    app: "App",
    appNone: "none installed",
    appNoneHelp: "nothing is sent",
    appOn: "installed, active",
    appOff: "switched off",
    whoTitle: "Place an order as …",
    whoHelp: "Choose somebody, or type an e-mail address for a guest.",
    searchLabel: "Name or e-mail",
    nobody: "Nobody found. Type a whole e-mail address to order as a new guest.",
    quick_guest: "New guest",
    quick_account: "New account",
    "quick_one-time": "A one-time buyer",
    "quick_almost-regular": "One purchase away from regular",
    quick_regular: "A regular",
    quick_unconfirmed: "An unconfirmed account",
    asGuest: "Order as guest {email}",
    asAccount: "Register {email}",
    guest: "Guest",
    account: "Account",
    unconfirmed: "Not confirmed",
    confirm: "Confirm the account",
    amount: "Amount",
    placeOrder: "Place a paid order",
    ordersOf: "Orders",
    noOrders: "No order yet. The first one makes this person a customer.",
    number_of_orders: { one: "{count} order", other: "{count} orders" },
    refund: "Refund",
    part: "Refund a third",
    cancel: "Cancel",
    refunded: "{sum} refunded",
    status_CANCELED: "Cancelled",
    status_EXPIRED: "Expired",
    status_FULFILLED: "Sent",
    status_UNFULFILLED: "Waits to be sent",
    status_UNCONFIRMED: "Not confirmed",
    until: "until {date}",
    since: "since {date}",
    quiet: "quiet since {date}",
    reasons: "Why",
    showOnly: "The app only shows this: it is not released to write into the shop.",
    deciding: "deciding …",
    unknownYet: "The app has not met this person yet: it will with the first order.",
    errorSilent: "The app did not answer.",
    errorRefused: "The app refused to tell ({status}).",
    errorNone: "No app is installed in this shop.",
    errorShop: "The shop does not answer. Is it still running?",
    feedTitle: "What happens",
    feedHelp: "The newest on top.",
    feedEmpty: "Nothing yet. Choose somebody and place an order.",
    did_ordered: "{who} ordered for {sum}",
    did_registered: "{who} registered",
    did_confirmed: "{who} confirmed the account",
    did_refund: "Order {number} of {who} refunded: {sum}",
    did_part: "Order {number} of {who} refunded in part: {sum}",
    did_cancel: "Order {number} of {who} cancelled",
    stepSent: "Told the app",
    stepDecided: "It decided",
    stepWrote: "It wrote",
    nothingSent: "No webhook: the app did not subscribe to this.",
    onTheWay: "on its way",
    tries: { one: "{count} try", other: "{count} tries" },
    noAnswer: "no answer",
    unchanged: "unchanged",
    changed: "{before} → {after}",
    firstMet: "The app met this person for the first time and read all orders of theirs.",
    superseded: "see the later action of this person",
    wroteNothing: "Nothing: what stands in the shop is still right.",
    wroteNothingYet: "nothing yet",
    deleted: "deleted",
    onAccount: "account",
    onOrder: "order",
    showValue: "show",
    refused_amount: "That is no amount for an order.",
    refused_nobody: "Nobody like that is left in this shop.",
    refused_address: "That is no e-mail address.",
    refused_taken: "There is an account with that address already.",
    refused_cancel: "This order can no longer be cancelled.",
    public: "public",
    private: "private",
    standsInShop: "What the app wrote into the shop",
    tier_prospect: "Prospect",
    "tier_one-time": "One-time buyer",
    tier_returning: "Returning",
    tier_regular: "Regular",
    tier_top: "Top",
    asDashboard: "{app} in the Dashboard of {shop}",
    frameTitle: "The app's page",
  },
  nl: {
    skip: "Naar de pagina",
    title: "Proefwinkel",
    other: "English",
    themeDark: "Donkere kleuren",
    themeLight: "Lichte kleuren",
    openFrame: "Open Herkend zoals in het Dashboard",
    openFrameShort: "Dashboard",
    backToShop: "Terug naar de winkel",
    backToShopShort: "Winkel",
    intro: "Deze winkel speelt de rol van Saleor. Wat je hier doet, meldt hij de app met ondertekende webhooks, zoals een echte winkel; ernaast zie je wat de app antwoordde, wat hij besloot en waarom, en wat hij in de winkel schreef.",
    accounts: "Accounts",
    guests: "Gasten",
    orders: "Bestellingen",
    ordersSince: "sinds {date}",
    spent: "Verkocht",
    app: "App",
    appNone: "niet geïnstalleerd",
    appNoneHelp: "er wordt niets verstuurd",
    appOn: "geïnstalleerd, actief",
    appOff: "uitgeschakeld",
    whoTitle: "Bestel als …",
    whoHelp: "Kies iemand, of typ een e-mailadres voor een gast.",
    searchLabel: "Naam of e-mail",
    nobody: "Niemand gevonden. Typ een volledig e-mailadres om als nieuwe gast te bestellen.",
    quick_guest: "Nieuwe gast",
    quick_account: "Nieuw account",
    "quick_one-time": "Een eenmalige koper",
    "quick_almost-regular": "Nog één aankoop tot vaste klant",
    quick_regular: "Een vaste klant",
    quick_unconfirmed: "Een onbevestigd account",
    asGuest: "Bestel als gast {email}",
    asAccount: "Registreer {email}",
    guest: "Gast",
    account: "Account",
    unconfirmed: "Niet bevestigd",
    confirm: "Bevestig het account",
    amount: "Bedrag",
    placeOrder: "Plaats een betaalde bestelling",
    ordersOf: "Bestellingen",
    noOrders: "Nog geen bestelling. Met de eerste wordt deze persoon klant.",
    number_of_orders: { one: "{count} bestelling", other: "{count} bestellingen" },
    refund: "Betaal terug",
    part: "Betaal een derde terug",
    cancel: "Annuleer",
    refunded: "{sum} terugbetaald",
    status_CANCELED: "Geannuleerd",
    status_EXPIRED: "Verlopen",
    status_FULFILLED: "Verzonden",
    status_UNFULFILLED: "Wacht op verzending",
    status_UNCONFIRMED: "Niet bevestigd",
    until: "tot {date}",
    since: "sinds {date}",
    quiet: "stil sinds {date}",
    reasons: "Waarom",
    showOnly: "De app toont dit alleen: hij is niet vrijgegeven om in de winkel te schrijven.",
    deciding: "beslist …",
    unknownYet: "De app kent deze persoon nog niet: dat komt met de eerste bestelling.",
    errorSilent: "De app antwoordde niet.",
    errorRefused: "De app weigerde het te zeggen ({status}).",
    errorNone: "In deze winkel is geen app geïnstalleerd.",
    errorShop: "De winkel antwoordt niet. Draait hij nog?",
    feedTitle: "Wat er gebeurt",
    feedHelp: "Het nieuwste bovenaan.",
    feedEmpty: "Nog niets. Kies iemand en plaats een bestelling.",
    did_ordered: "{who} bestelde voor {sum}",
    did_registered: "{who} registreerde zich",
    did_confirmed: "{who} bevestigde het account",
    did_refund: "Bestelling {number} van {who} terugbetaald: {sum}",
    did_part: "Bestelling {number} van {who} deels terugbetaald: {sum}",
    did_cancel: "Bestelling {number} van {who} geannuleerd",
    stepSent: "Gemeld",
    stepDecided: "Besloten",
    stepWrote: "Geschreven",
    nothingSent: "Geen webhook: de app heeft zich hierop niet geabonneerd.",
    onTheWay: "onderweg",
    tries: { one: "{count} poging", other: "{count} pogingen" },
    noAnswer: "geen antwoord",
    unchanged: "onveranderd",
    changed: "{before} → {after}",
    firstMet: "De app kwam deze klant voor het eerst tegen en las alle bestellingen van die klant.",
    superseded: "zie de latere actie van deze persoon",
    wroteNothing: "Niets: wat in de winkel staat, klopt nog.",
    wroteNothingYet: "nog niets",
    deleted: "gewist",
    onAccount: "account",
    onOrder: "bestelling",
    showValue: "toon",
    refused_amount: "Dat is geen bedrag voor een bestelling.",
    refused_nobody: "Zo iemand is er niet meer in deze winkel.",
    refused_address: "Dat is geen e-mailadres.",
    refused_taken: "Er is al een account met dat adres.",
    refused_cancel: "Deze bestelling kan niet meer worden geannuleerd.",
    public: "openbaar",
    private: "privé",
    standsInShop: "Wat de app in de winkel schreef",
    tier_prospect: "Nog geen klant",
    "tier_one-time": "Eenmalige koper",
    tier_returning: "Terugkerend",
    tier_regular: "Vaste klant",
    tier_top: "Top",
    asDashboard: "{app} in het Dashboard van {shop}",
    frameTitle: "De pagina van de app",
  },
};

const asked = new URLSearchParams(location.search);
const remembered = (name) => {
  try { return localStorage.getItem(`sandbox-${name}`); } catch { return null; }
};
const remember = (name, value) => {
  try { localStorage.setItem(`sandbox-${name}`, value); } catch { /* a private window forgets, and that is fine */ }
};
const preferred = navigator.language.toLowerCase().startsWith("nl") ? "nl" : "en";
let language = asked.get("lang") ?? remembered("language") ?? preferred;
if (!(language in TEXTS)) language = "en";

export function currentLanguage() {
  return language;
}

export function t(name, values = {}) {
  let text = TEXTS[language][name] ?? TEXTS.en[name] ?? name;
  if (typeof text === "object") text = text[new Intl.PluralRules(language).select(values.count)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}

export const tierName = (tier) => {
  const known = `tier_${tier}`;
  return known in TEXTS[language] ? t(known) : tier;
};
export const money = (amount, currency = "EUR") =>
  new Intl.NumberFormat(language, { style: "currency", currency }).format(amount);
export const number = (value) => new Intl.NumberFormat(language).format(value);
export const day = (text) => new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(new Date(text));
export const clock = (text) => new Intl.DateTimeFormat(language, { timeStyle: "medium" }).format(new Date(text));

export function translate() {
  document.documentElement.lang = language;
  document.title = t("title");
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
}

export function theme() {
  const set = document.documentElement.dataset.theme;
  if (set) return set;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

// Wires the two buttons of the header; `changed` draws again what the page has put together itself.
export function wire(changed) {
  const chosen = asked.get("theme") ?? remembered("theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  const button = document.getElementById("theme");
  const toggle = document.getElementById("language");
  const dress = () => {
    const name = t(theme() === "dark" ? "themeLight" : "themeDark");
    button.setAttribute("aria-label", name);
    button.title = name;
    toggle.textContent = t("other");
    toggle.lang = language === "en" ? "nl" : "en";
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = theme() === "dark" ? "light" : "dark";
    remember("theme", theme());
    dress();
    changed();
  });
  toggle.addEventListener("click", () => {
    language = language === "en" ? "nl" : "en";
    remember("language", language);
    translate();
    dress();
    changed();
  });
  translate();
  dress();
}

// A node with attributes, listeners (onclick etc.) and children; text never becomes markup.
export function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

export const pill = (text, kind = "") => node("span", { class: `pill ${kind}` }, text);

export async function ask(path, told) {
  const options = told === undefined ? {} : {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(told),
  };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error(t("errorShop"));
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const known = `refused_${body.code}`;
    throw new Error(known in TEXTS.en ? t(known) : (body.error ?? t("errorShop")));
  }
  return body;
}
