/** Numbers, sizes and times as texts. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const two = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
const three = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const clockMinutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const NONE = "\u2013";
/** Between a number and its unit there is no line break. */
const TIE = "\u00a0";
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * A count, such as `12,345`.
 * @param {number} value
 */
export function count(value) {
  return whole.format(value);
}

/**
 * A count for little space, such as `12.3k`.
 * @param {number} value
 */
export function shortCount(value) {
  if (value < 10_000) {
    return whole.format(value);
  }
  return value < 1_000_000 ? `${three.format(value / 1000)}k` : `${three.format(value / 1_000_000)}M`;
}

/**
 * A rate in each second, such as `0.4/s`.
 * @param {number|undefined} value
 */
export function rate(value) {
  if (value === undefined) {
    return NONE;
  }
  return value === 0 ? "0/s" : `${value < 0.1 ? "<0.1" : shortRate(value)}/s`;
}

/** @param {number} value */
function shortRate(value) {
  return value < 100 ? two.format(value) : shortCount(value);
}

/**
 * A size, such as `1.25 MiB`.
 * @param {number} value
 */
export function bytes(value) {
  let unit = 0;
  let scaled = value;
  while (scaled >= 1000 && unit < SIZES.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${three.format(scaled)}${TIE}${SIZES[unit]}`;
}

/**
 * A duration in milliseconds, such as `4.2 ms` or `1.35 s`.
 * @param {number|undefined} value
 */
export function duration(value) {
  if (value === undefined || Number.isNaN(value)) {
    return NONE;
  }
  if (value < SECOND) {
    return `${three.format(value < 0.001 ? 0 : value)}${TIE}ms`;
  }
  return value < MINUTE ? `${three.format(value / SECOND)}${TIE}s` : span(value);
}

/**
 * A long duration in milliseconds, in its two largest units: `3 h 5 min`.
 * @param {number} value
 */
export function span(value) {
  const rounded = Math.max(0, value);
  if (rounded < MINUTE) {
    return `${Math.floor(rounded / SECOND)}${TIE}s`;
  }
  if (rounded < HOUR) {
    return units(rounded, [MINUTE, "min"], [SECOND, "s"]);
  }
  return rounded < DAY ? units(rounded, [HOUR, "h"], [MINUTE, "min"]) : units(rounded, [DAY, "d"], [HOUR, "h"]);
}

/**
 * @param {number} value
 * @param {[number, string]} first
 * @param {[number, string]} second
 */
function units(value, [large, largeName], [small, smallName]) {
  const rest = Math.floor((value % large) / small);
  const text = `${Math.floor(value / large)}${TIE}${largeName}`;
  return rest === 0 ? text : `${text} ${rest}${TIE}${smallName}`;
}

/**
 * How long ago a time was.
 * @param {string|undefined} time
 * @param {string} now the gateway's time, which may not be the browser's
 */
export function ago(time, now) {
  const passed = Date.parse(now) - Date.parse(time ?? "");
  if (Number.isNaN(passed)) {
    return NONE;
  }
  if (passed < 2 * SECOND) {
    return "now";
  }
  const unit = [SECOND, MINUTE, HOUR, DAY].findLast((one) => passed >= one) ?? SECOND;
  const names = new Map([[SECOND, "s"], [MINUTE, "min"], [HOUR, "h"], [DAY, "d"]]);
  return `${Math.floor(passed / unit)}${TIE}${names.get(unit)} ago`;
}

/**
 * The time of day, with the day unless it is today: `14:03:22`, `3 Nov 14:03:22`.
 * @param {string|number} time
 * @param {number} [today] a time of today
 */
export function timeOfDay(time, today = Date.now()) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) {
    return NONE;
  }
  const text = clock.format(date);
  return date.toDateString() === new Date(today).toDateString() ? text : `${day.format(date)} ${text}`;
}

/**
 * The time of day in minutes: `14:03`.
 * @param {string} time
 */
export function minuteOfDay(time) {
  return clockMinutes.format(new Date(time));
}

/**
 * A part of a whole in per cent: `0.4 %`.
 * @param {number} part
 * @param {number} total
 */
export function share(part, total) {
  if (total === 0 || part === 0) {
    return `0${TIE}%`;
  }
  const percent = (100 * part) / total;
  return percent < 0.1 ? `<0.1${TIE}%` : `${percent < 10 ? percent.toFixed(1) : Math.round(percent)}${TIE}%`;
}

/**
 * A count with its noun: `1 name`, `2 names`.
 * @param {number} value
 * @param {string} noun
 * @param {string} [plural]
 */
export function counted(value, noun, plural = `${noun}s`) {
  return `${count(value)} ${value === 1 ? noun : plural}`;
}
