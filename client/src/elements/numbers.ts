// Numbers and times as the reader's language writes them.

const compact = new Map<string, Intl.NumberFormat>();

/** 1,234 as "1.2K"; below a thousand every like is visible. */
export function compactNumber(value: number, language: string): string {
  let format = compact.get(language);
  if (!format) {
    format = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
    compact.set(language, format);
  }
  return format.format(value);
}

export function fullNumber(value: number, language: string): string {
  return new Intl.NumberFormat(language).format(value);
}

const units: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

export function timeAgo(then: number, now: number, language: string): string {
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
  for (const [unit, ms] of units) {
    if (now - then >= ms) return format.format(-Math.floor((now - then) / ms), unit);
  }
  return format.format(0, "second");
}

/** The language of the page around an element. */
export function languageOf(element: Element): string {
  return element.closest("[lang]")?.getAttribute("lang") || globalThis.navigator?.language || "en";
}
