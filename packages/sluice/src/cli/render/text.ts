/** Small texts: escaping what must not reach a terminal, numbers, sizes, times, widths. Pure. */
import { stripVTControlCharacters } from 'node:util'
import { printable as visible } from '../../base/printable.ts'

export { visible }

/** Like `visible`, for text of several lines: line ends and tabs stay. */
export function visibleLines(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => line.split('\t').map(visible).join('\t'))
    .join('\n')
}

/** The sentence of a message that goes on with a table under it. */
export function firstLine(text: string): string {
  return text.slice(0, (text.indexOf('\n') + 1 || text.length + 1) - 1)
}

/** @example count(42481) // '42,481' */
export function count(n: number): string {
  // Not Intl: its first use costs more than all else that a short command does.
  return n.toFixed(0).replace(/\B(?=(?:\d{3})+$)/g, ',')
}

/** @example plural(1, 'row') // '1 row'; plural(2, 'row') // '2 rows' */
export function plural(n: number, word: string): string {
  return `${count(n)} ${word}${n === 1 ? '' : 's'}`
}

/** Bytes, in units of 1024. @example bytes(1536) // '1.5 KiB' */
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const
  let value = n
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`
}

/** Milliseconds, for people. @example duration(95_000) // '1 min 35 s' */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)]
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`
}

/** Rows a second. @example rate(50_000, 500) // '100,000 rows/s' */
export function rate(rows: number, ms: number): string {
  return ms <= 0 ? '' : `${count((rows * 1000) / ms)} rows/s`
}

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}]|[\u{20000}-\u{3fffd}]/u

/** How many cells of a terminal text takes; colours take none. */
export function width(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length
  let cells = 0
  for (const character of stripVTControlCharacters(text)) {
    if (!/\p{Mn}/u.test(character)) cells += wide.test(character) ? 2 : 1
  }
  return cells
}

/**
 * A text in lines of so many cells, broken at spaces; a longer word stands alone.
 *
 * @example wrap('nothing is lost', 10) // ['nothing is', 'lost']
 */
export function wrap(text: string, cells: number): readonly string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line === undefined || width(`${line} ${word}`) > cells) lines.push(word)
    else lines[lines.length - 1] = `${line} ${word}`
  }
  return lines
}

/** Cuts plain text to so many cells, with an ellipsis. @example cut('abcdef', 4) // 'abc…' */
export function cut(text: string, cells: number): string {
  if (width(text) <= cells) return text
  let result = ''
  let used = 0
  for (const character of text) {
    const w = width(character)
    if (used + w > cells - 1) break
    result += character
    used += w
  }
  return `${result}…`
}

/** Pads to so many cells. */
export function pad(text: string, cells: number, side: 'left' | 'right' = 'right'): string {
  const space = ' '.repeat(Math.max(0, cells - width(text)))
  return side === 'right' ? text + space : space + text
}
