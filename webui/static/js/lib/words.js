// Texts in the language of the page, by the English ones: core/languages/. Places are `%(name)s`, and
// `%%` is a percent sign.

const texts = JSON.parse(document.getElementById("texts")?.textContent ?? "{}");

const filled = (text, params) =>
  text.replace(/%(?:%|\((\w+)\)s)/g, (place, name) => (name === undefined ? "%" : String(params[name])));

export function gettext(text, params = {}) {
  return filled(texts[text]?.[0] || text, params);
}

export function ngettext(one, other, num, params = {}) {
  const forms = texts[one] ?? [one, other];
  return filled(forms[Math.min(forms.length - 1, num === 1 ? 0 : 1)], { num, ...params });
}
