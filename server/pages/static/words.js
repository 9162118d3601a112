// What the page says, in the language of whoever reads it. Both languages have the same keys.

import en from "./en.js";
import id from "./id.js";

const LANGUAGE = "rvm-language";

export const WORDS = { en, id };

let language =
  localStorage.getItem(LANGUAGE) ?? (navigator.language.startsWith("id") ? "id" : "en");
if (!Object.hasOwn(WORDS, language)) language = "en";

export const languageNow = () => language;

export function useOtherLanguage() {
  language = language === "en" ? "id" : "en";
  localStorage.setItem(LANGUAGE, language);
}

/** The word for `key`; a word of a machine that we do not know is shown as it is. */
export function t(key, values = {}) {
  const word = Object.hasOwn(WORDS[language], key) ? WORDS[language][key] : String(key);
  return word.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}
