// A page's charts: drawn from what came with the page, and again as it changes.
{
  const root = document.getElementById("charts");
  const DAY = 86_400;
  const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
  const compact = new Intl.NumberFormat("en", { notation: "compact" });
  const money = new Intl.NumberFormat("en", {
    style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", maximumSignificantDigits: 4,
  });
  const exactMoney = new Intl.NumberFormat("en", {
    style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", maximumFractionDigits: 8,
  });
  const duration = (ms) =>
    ms < 1000 ? `${numbers.format(ms)} ms` : `${numbers.format(ms / 1000)} s`;
  const COUNT = { short: compact.format, exact: numbers.format };
  const MONEY = { short: money.format, exact: exactMoney.format };
  const DURATION = { short: duration, exact: (ms) => `${numbers.format(ms)} ms` };

  // Of each chart: its kind, how its values are written at the axis and where one is pointed at,
  // and its lines as [words, column, colour].
  const CHARTS = {
    requests: ["bar", COUNT, [
      ["answered", (s) => s.requests.map((all, i) => all - s.errors[i]), "--chart-1"],
      ["errors", "errors", "--chart-bad"],
    ]],
    tokens: ["bar", COUNT, [
      ["in", "input_tokens", "--chart-1"],
      ["out", "output_tokens", "--chart-2"],
    ]],
    cost: ["bar", MONEY, [["cost", "cost_usd", "--chart-3"]]],
    latency: ["line", DURATION, [
      ["median", "latency_p50", "--chart-1"],
      ["p95", "latency_p95", "--chart-2"],
    ]],
    "first-token": ["line", DURATION, [
      ["median", "first_token_p50", "--chart-1"],
      ["p95", "first_token_p95", "--chart-2"],
    ]],
  };
  const charts = new Map();

  // Days are days of UTC; shorter steps are told in the reader's zone.
  function clock(step, count) {
    if (step >= DAY) return { month: "short", day: "numeric", timeZone: "UTC" };
    if (count > 24 && step >= 3_600) return { weekday: "short", hour: "2-digit", minute: "2-digit" };
    return { hour: "2-digit", minute: "2-digit" };
  }

  function colour(name) {
    return getComputedStyle(root).getPropertyValue(name).trim();
  }

  function dataOf(name, series) {
    const format = new Intl.DateTimeFormat(undefined, clock(series.step, series.at.length));
    return {
      labels: series.at.map((at) => format.format(new Date(at))),
      datasets: CHARTS[name][2].map(([label, column, shade]) => ({
        label,
        data: typeof column === "string" ? series[column] : column(series),
        backgroundColor: colour(shade),
        borderColor: colour(shade),
        borderWidth: CHARTS[name][0] === "line" ? 2 : 0,
        pointRadius: series.at.length > 60 ? 0 : 2,
        spanGaps: true,
      })),
    };
  }

  function options(name, series) {
    const [kind, write, lines] = CHARTS[name];
    const stacked = kind === "bar";
    const days = series.step >= DAY;
    const ticks = { color: colour("--chart-text"), maxRotation: 0, autoSkipPadding: 16 };
    return {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: {
          stacked,
          ticks,
          grid: { display: false },
          title: { display: days, text: "Days of UTC", color: ticks.color },
        },
        y: {
          stacked,
          beginAtZero: true,
          ticks: { ...ticks, maxTicksLimit: 5, callback: (value) => write.short(value) },
          grid: { color: colour("--chart-grid") },
          border: { display: false },
        },
      },
      plugins: {
        legend: {
          display: lines.length > 1,
          align: "end",
          labels: { color: colour("--chart-text"), boxWidth: 10, boxHeight: 10 },
        },
        tooltip: {
          callbacks: {
            title: ([item]) => (days ? `${item.label}, UTC` : item.label),
            label: (item) => `${item.dataset.label}: ${write.exact(item.parsed.y)}`,
          },
        },
      },
    };
  }

  function draw(series) {
    for (const canvas of root.querySelectorAll("[data-chart]")) {
      const name = canvas.dataset.chart;
      const data = dataOf(name, series);
      const chart = charts.get(name);
      if (chart) {
        chart.data.labels = data.labels;
        data.datasets.forEach((set, i) => Object.assign(chart.data.datasets[i], set));
        chart.options = options(name, series);
        chart.update("none");
      } else {
        const [type] = CHARTS[name];
        charts.set(name, new Chart(canvas, { type, data, options: options(name, series) }));
      }
    }
  }

  let series = JSON.parse(root.dataset.series);
  draw(series);
  document.addEventListener("part", (event) => {
    if (event.detail.name === "series") draw((series = event.detail.value));
  });
  document.addEventListener("themechange", () => draw(series));
}
