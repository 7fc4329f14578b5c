/**
 * Where a piece of a definition stands in the file that holds it.
 *
 * Data files are parsed, so their places are exact. TypeScript is evaluated, not parsed: its places are found by walking the text along the
 * path, bracket by bracket, and are as good as the text is plain; they point to the nearest enclosing key otherwise.
 */
import type { Location } from '../../base/errors.ts'

/** The way to a value: keys and list positions. */
export type Path = readonly (string | number)[]

/** Finds places in one file. */
export interface Places {
  readonly file: string
  /** The place of the value at `path`; of `token` in it (a key, or a quoted text), where that is found. */
  at(path: Path, token?: string): Location
  /** In code: places in the object whose `key` is this text; undefined where there is none. */
  around?(key: string, text: string): Places | undefined
}

/**
 * Places in a file of which only the name is known.
 *
 * @example noPlaces('pipelines/retail/pipeline.ts').at(['sources'])
 */
export function noPlaces(file: string): Places {
  return { file, at: () => ({ file }) }
}

/**
 * Places in TypeScript or JavaScript.
 *
 * @example placesInCode('pipeline.ts', "pipeline('retail', { layers: ['raw'] })").at(['layers'])
 */
export function placesInCode(file: string, text: string): Places {
  return within(file, text, blankComments(text), [0, text.length], [0, 0])
}

/** Places in a part of the code; what is not found there stands where `here` says. */
function within(
  file: string,
  text: string,
  code: string,
  part: readonly [number, number],
  here: readonly [number, number],
): Places {
  return {
    file,
    around(key, value) {
      const found = new RegExp(`\\b${key}\\s*:\\s*(['"\`])${escaped(value)}\\1`).exec(code)
      return found
        ? within(file, text, code, objectAround(code, found.index), [found.index, found[0].length])
        : undefined
    },
    at(path, token) {
      let [start, end] = part
      let found = here
      for (const step of path) {
        const next = typeof step === 'number' ? element(code, start, end, step) : keyIn(code, step, start, end)
        if (next === undefined) break
        found = [next.from, next.length]
        start = next.value
        end = valueEnd(code, start, end)
      }
      const exact =
        token === undefined ? undefined : (tokenIn(code, token, start, end) ?? tokenIn(code, token, ...part))
      return locate(file, text, ...(exact ?? found))
    },
  }
}

/** A location from an offset; lines and columns count from 1. */
export function locate(file: string, text: string, offset: number, length = 1): Location {
  const before = text.slice(0, offset)
  const line = before.split('\n').length
  return { file, line, column: offset - before.lastIndexOf('\n'), length: Math.max(1, length) }
}

const quotes = `'"\``

/** The offset after the string that starts at `i`. */
function afterString(code: string, i: number): number {
  const quote = code[i]
  let j = i + 1
  while (j < code.length && code[j] !== quote) j += code[j] === '\\' ? 2 : 1
  return j + 1
}

/** The same text with its comments blanked, so that offsets stay. */
function blankComments(code: string): string {
  let out = ''
  let i = 0
  while (i < code.length) {
    let j = i + 1
    if (quotes.includes(code[i]!)) j = afterString(code, i)
    else if (code.startsWith('//', i)) j = indexOrEnd(code, '\n', i)
    else if (code.startsWith('/*', i)) j = indexOrEnd(code, '*/', i) + 2
    const piece = code.slice(i, j)
    out += code[i] === '/' && j > i + 1 ? piece.replace(/[^\n]/g, ' ') : piece
    i = j
  }
  return out
}

function indexOrEnd(text: string, what: string, from: number): number {
  const index = text.indexOf(what, from)
  return index < 0 ? text.length : index
}

/** Where the value that starts at `start` ends: at the comma (unless it is to be passed over) or closing bracket that belongs to what is around it. */
function valueEnd(code: string, start: number, end: number, comma = ','): number {
  let depth = 0
  for (let i = start; i < end; i++) {
    const c = code[i]!
    if (quotes.includes(c)) i = afterString(code, i) - 1
    else if ('([{'.includes(c)) depth++
    else if (')]}'.includes(c) && --depth < 0) return i
    else if (c === comma && depth === 0) return i
  }
  return end
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

interface Found {
  readonly from: number
  readonly length: number
  /** Where its value starts. */
  readonly value: number
}

/** The innermost `{…}` around an offset, without its brackets. */
function objectAround(code: string, offset: number): readonly [number, number] {
  const open: number[] = []
  for (let i = 0; i < offset; i++) {
    const c = code[i]!
    if (quotes.includes(c)) i = afterString(code, i) - 1
    else if (c === '{') open.push(i + 1)
    else if (c === '}') open.pop()
  }
  const start = open.at(-1) ?? 0
  return [start, valueEnd(code, start, code.length, '')]
}

function keyIn(code: string, key: string, start: number, end: number): Found | undefined {
  const pattern = new RegExp(`(?<![\\w$.'"])(['"]?)${escaped(key)}\\1\\s*:`, 'g')
  pattern.lastIndex = start
  const match = pattern.exec(code)
  if (match === null || match.index >= end) return undefined
  return { from: match.index, length: match[0].replace(/\s*:$/, '').length, value: match.index + match[0].length }
}

function element(code: string, start: number, end: number, index: number): Found | undefined {
  const open = code.indexOf('[', start)
  if (open < 0 || open >= end) return undefined
  let at = open + 1
  for (let i = 0; i < index; i++) {
    at = valueEnd(code, at, end)
    if (code[at] !== ',') return undefined
    at++
  }
  const from = at + (/^\s*/.exec(code.slice(at, end))?.[0].length ?? 0)
  return { from, length: valueEnd(code, from, end) - from, value: from }
}

function tokenIn(code: string, token: string, start: number, end: number): [number, number] | undefined {
  const key = keyIn(code, token, start, end)
  if (key) return [key.from, key.length]
  for (const quote of quotes) {
    const index = code.indexOf(`${quote}${token}${quote}`, start)
    if (index >= 0 && index < end) return [index, token.length + 2]
  }
  return undefined
}
