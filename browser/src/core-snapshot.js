// A snapshot holds what the start of Python wrote into Pyodide's memory, to write it there again.
//
// It holds only the words that the start changed. The other words stay as the browser at hand has
// set them: some depend on the browser, such as its way to do calls. A snapshot consists of 32-bit
// words, little-endian:
//
//   1  a checksum of everything that follows
//   1  how many pages were changed
//   1  how many words of JSON there are
//      the JSON that Pyodide wants back, with its version, padded with spaces
//      the numbers of the changed pages
//      for each changed page a bit for each of its words, set where the word was changed
//      the changed pages, with 0 in the words that were not changed

/**
 * @import { PyodideConfig } from 'pyodide'
 *
 * @typedef {Parameters<NonNullable<PyodideConfig['createPyodideModule']>>[0]} Settings
 * @typedef {ReturnType<Settings['API']['restoreSnapshot']>} SnapshotConfig
 */

const PAGE = 1024;
const BITS = 32;
const MASK = PAGE / BITS;
const HEADER = 3;

/**
 * @param {Uint8Array} before the memory of a Pyodide that has run nothing yet
 * @param {Uint8Array} after
 * @param {object} config
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function pack(before, after, config) {
  const [old, now] = [before, after].map(inWords);
  const numbers = [];
  const masks = [];
  const pages = [];
  for (let page = 0; page < now.length / PAGE; page += 1) {
    const mask = new Uint32Array(MASK);
    const changed = new Uint32Array(PAGE);
    for (let word = 0; word < PAGE; word += 1) {
      const at = page * PAGE + word;
      if (now[at] === old[at]) continue;
      mask[word >>> 5] |= 1 << (word % BITS);
      changed[word] = now[at];
    }
    if (!mask.some(Boolean)) continue;
    numbers.push(page);
    masks.push(...mask);
    pages.push(changed);
  }
  const text = new TextEncoder().encode(JSON.stringify(config));
  const json = new Uint8Array(Math.ceil(text.length / 4) * 4).fill(0x20);
  json.set(text);
  const start = HEADER + json.length / 4 + numbers.length + masks.length;
  const words = new Uint32Array(start + pages.length * PAGE);
  words.set([0, numbers.length, json.length / 4, ...inWords(json), ...numbers, ...masks]);
  for (const [n, page] of pages.entries()) words.set(page, start + n * PAGE);
  words[0] = checksum(words);
  return new Uint8Array(words.buffer);
}

/**
 * Reads a snapshot. Throws when it is damaged.
 *
 * @param {ArrayBuffer} packed
 * @returns {{config: SnapshotConfig & {version: string}, restore: (memory: Uint8Array) => void}}
 */
export function unpack(packed) {
  const words = new Uint32Array(packed);
  if (words[0] !== checksum(words)) throw new Error('this snapshot is damaged');
  let at = HEADER;
  const next = (/** @type {number} */ size) => {
    at += size;
    return words.subarray(at - size, at);
  };
  const [, count, length] = words;
  const json = next(length);
  const numbers = next(count);
  const masks = next(count * MASK);
  const pages = next(count * PAGE);
  const text = new Uint8Array(packed, json.byteOffset, json.byteLength);
  return {
    config: JSON.parse(new TextDecoder().decode(text)),
    restore(memory) {
      const now = inWords(memory);
      for (const [n, page] of numbers.entries()) {
        if ((page + 1) * PAGE > now.length) {
          throw new RangeError('this snapshot is of a larger memory');
        }
        for (let word = 0; word < PAGE; word += 1) {
          const isChanged = (masks[n * MASK + (word >>> 5)] >>> (word % BITS)) & 1;
          if (isChanged) now[page * PAGE + word] = pages[n * PAGE + word];
        }
      }
    },
  };
}

/**
 * FNV-1a, a word at a time: it detects damage by a disk or a cache, but not an attack.
 *
 * @param {Uint32Array} words
 */
function checksum(words) {
  let sum = 0x811c9dc5;
  for (let n = 1; n < words.length; n += 1) sum = Math.imul(sum ^ words[n], 0x01000193);
  return sum >>> 0;
}

/** @param {Uint8Array} bytes */
function inWords(bytes) {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}
