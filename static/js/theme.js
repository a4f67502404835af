// Light or dark, as the system has it until the reader says otherwise; run before anything is drawn.
{
  const NAMES = { auto: "Auto", light: "Light", dark: "Dark" };
  const system = matchMedia("(prefers-color-scheme: dark)");

  const chosen = () => (localStorage.getItem("theme") in NAMES ? localStorage.theme : "auto");

  const apply = () => {
    const theme = chosen();
    const dark = theme === "dark" || (theme === "auto" && system.matches);
    document.documentElement.dataset.bsTheme = dark ? "dark" : "light";
    const name = document.querySelector("#theme [data-theme-name]");
    if (name) name.textContent = NAMES[theme];
    document.dispatchEvent(new CustomEvent("themechange"));
  };

  const next = () => {
    const names = Object.keys(NAMES);
    localStorage.theme = names[(names.indexOf(chosen()) + 1) % names.length];
    apply();
  };

  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply);
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    button.hidden = false;
    button.addEventListener("click", next);
    apply();
  });
}
