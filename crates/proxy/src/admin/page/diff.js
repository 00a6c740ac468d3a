/** The difference of two texts, line by line. */

/** @typedef {{kind: "same"|"added"|"removed", text: string}} DiffLine */

/** The product of the changed lines of both sides from which on no common lines are looked for. */
const MOST_WORK = 4_000_000;

/**
 * The lines of both texts in one order, with as many in common as there can be (longest common subsequence).
 * @param {string} before
 * @param {string} after
 * @returns {DiffLine[]}
 */
export function diffLines(before, after) {
  const [old, fresh] = [linesOf(before), linesOf(after)];
  let start = 0;
  while (start < old.length && start < fresh.length && old[start] === fresh[start]) {
    start += 1;
  }
  let end = 0;
  while (end < old.length - start && end < fresh.length - start && old.at(-1 - end) === fresh.at(-1 - end)) {
    end += 1;
  }
  const middle = changed(old.slice(start, old.length - end), fresh.slice(start, fresh.length - end));
  return [...marked("same", old.slice(0, start)), ...middle, ...marked("same", old.slice(old.length - end))];
}

/**
 * The changed lines with those around them. Between two pieces there are lines that are left out.
 * @param {DiffLine[]} lines
 * @param {number} around how many
 * @returns {DiffLine[][]}
 */
export function hunks(lines, around) {
  /** @type {DiffLine[][]} */
  const pieces = [];
  let last = -Infinity;
  lines.forEach((line, index) => {
    const near = lines.slice(Math.max(0, index - around), index + around + 1);
    if (near.some(({ kind }) => kind !== "same")) {
      if (index !== last + 1) {
        pieces.push([]);
      }
      pieces[pieces.length - 1].push(line);
      last = index;
    }
  });
  return pieces;
}

/**
 * @param {string[]} old
 * @param {string[]} fresh
 * @returns {DiffLine[]}
 */
function changed(old, fresh) {
  if (old.length * fresh.length > MOST_WORK) {
    return [...marked("removed", old), ...marked("added", fresh)];
  }
  const width = fresh.length + 1;
  // common[i * width + j] is the length of the longest common subsequence of old[i..] and fresh[j..].
  const common = new Uint32Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = fresh.length - 1; j >= 0; j -= 1) {
      const at = i * width + j;
      common[at] = old[i] === fresh[j] ? common[at + width + 1] + 1 : Math.max(common[at + width], common[at + 1]);
    }
  }
  /** @type {DiffLine[]} */
  const lines = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < fresh.length) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) {
      lines.push({ kind: "same", text: old[i] });
      i += 1;
      j += 1;
    } else if (j === fresh.length || (i < old.length && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      lines.push({ kind: "removed", text: old[i] });
      i += 1;
    } else {
      lines.push({ kind: "added", text: fresh[j] });
      j += 1;
    }
  }
  return lines;
}

/**
 * @param {DiffLine["kind"]} kind
 * @param {string[]} texts
 * @returns {DiffLine[]}
 */
function marked(kind, texts) {
  return texts.map((text) => ({ kind, text }));
}

/** @param {string} text */
function linesOf(text) {
  const lines = text.split("\n");
  if (lines.at(-1) === "") {
    lines.pop();
  }
  return lines;
}
