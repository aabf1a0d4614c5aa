// Look: as the system, light or dark. Kept in a cookie, so that the server renders it and nothing flashes.
const COOKIE = "gonogo_theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const WORDS = { system: "as the system", light: "light", dark: "dark" };
const root = document.documentElement;

const current = () => root.dataset.theme ?? "system";

function show() {
  const word = document.querySelector("[data-theme-word]");
  if (word) word.textContent = WORDS[current()];
}

function set(theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  document.cookie = `${COOKIE}=${theme}; path=/; max-age=31536000; samesite=lax`;
  show();
  document.dispatchEvent(new CustomEvent("theme:change"));
}

document.getElementById("theme-toggle")?.addEventListener("click", () => set(NEXT[current()]));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new CustomEvent("theme:change")));
show();
