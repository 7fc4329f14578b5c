/** One line of JSON Lines as texts: numbers keep every digit, because they are never made into JavaScript's numbers. */
import type { Column } from '../../../definition/types.ts'
import { namesInFile, namesInWords, newColumn } from './header.ts'

const maxDepth = 64

/** Why a line cannot be taken: it is no proper object, or a text in it is none. */
export class JsonLineProblem {
  readonly detail: string
  readonly kind: 'json' | 'encoding' | 'severalObjects'
  /** The reason that a refused row carries. @default made from its kind */
  readonly reason: string | undefined
  constructor(detail: string, kind: JsonLineProblem['kind'] = 'json', reason?: string) {
    this.detail = detail
    this.kind = kind
    this.reason = reason
  }
}

/**
 * Makes a reader of lines: each contract column's text, or the problem.
 *
 * Texts are unescaped, numbers and nested values are kept as they are written, NULL and absent keys are NULL. In a column of JSON a text stays
 * the JSON text that it is, so that "12" does not become a number.
 *
 * @param isDrift whether a key that is not in the contract is a drift of the source, and no fault of the line
 * @example jsonLineReader({ n: { type: 'bigint' } }, 'reject')('{"n":9007199254740993}') // ['9007199254740993']
 */
export function jsonLineReader(
  columns: { readonly [column: string]: Column },
  extra: 'reject' | 'ignore',
  isDrift = false,
): (line: string) => readonly (string | null)[] | JsonLineProblem {
  const entries = Object.entries(columns)
  const places = new Map(
    entries.flatMap(([name, column], place) =>
      namesInFile(name, column).map((key) => [key.normalize('NFC'), place] as const),
    ),
  )
  return (line) => {
    try {
      JSON.parse(line)
    } catch (error) {
      return severalObjects(line) ?? new JsonLineProblem((error as Error).message)
    }
    const texts: (string | null | undefined)[] = new Array(entries.length).fill(undefined)
    const members = rawMembers(line)
    if (members instanceof JsonLineProblem) return members
    for (const [key, raw] of members) {
      if (!isWhole(key)) return halved(key)
      const place = places.get(key) ?? places.get(key.normalize('NFC'))
      if (place !== undefined) {
        if (texts[place] !== undefined)
          return new JsonLineProblem(`the key ${namesInWords([key])} is of a column that another key is of, too`)
        const value = memberText(raw)
        if (value !== null && raw.startsWith('"') && !isWhole(value)) return halved(key)
        const { type, nulls } = entries[place]![1]
        texts[place] = type === 'json' && value !== null && nulls?.includes(value) !== true ? raw : value
      } else if (extra === 'reject') {
        const detail = `the key ${namesInWords([key])} is not in the contract`
        return new JsonLineProblem(detail, 'json', isDrift ? newColumn(key) : undefined)
      }
    }
    return texts.map((text) => text ?? null)
  }
}

/** Half of a surrogate pair is no character, and UTF-8 cannot write it: a replacement would make different texts equal. */
const isWhole = (text: string): boolean => (text as string & { isWellFormed(): boolean }).isWellFormed()

const halved = (key: string): JsonLineProblem =>
  new JsonLineProblem(`half of a surrogate pair stands in the text of ${JSON.stringify(key)}`, 'encoding')

const memberText = (raw: string): string | null =>
  raw.startsWith('"') ? (JSON.parse(raw) as string) : raw === 'null' ? null : raw

/** Says where something follows a whole object. */
function severalObjects(line: string): JsonLineProblem | undefined {
  const scan = scanner(line)
  scan.space()
  try {
    if (line[scan.at] !== '{' || scan.value() !== undefined || scan.at >= line.length) return undefined
    JSON.parse(line.slice(0, scan.at))
  } catch {
    return undefined
  }
  scan.space()
  const detail = `something follows the object, from character ${scan.at + 1} on: one object is expected on a line`
  return new JsonLineProblem(detail, 'severalObjects')
}

/**
 * The members of an object's text, each value as its text.
 *
 * @example objectMembers('{"a":1.10,"b":[1]}') // Map { 'a' → '1.10', 'b' → '[1]' }
 * @param line valid JSON
 */
export function objectMembers(line: string): ReadonlyMap<string, string | null> | JsonLineProblem {
  const members = rawMembers(line)
  if (members instanceof JsonLineProblem) return members
  return new Map([...members].map(([key, raw]) => [key, memberText(raw)]))
}

/** The same with each value as it is written. */
function rawMembers(line: string): ReadonlyMap<string, string> | JsonLineProblem {
  const scan = scanner(line)
  scan.space()
  if (line[scan.at] !== '{') return new JsonLineProblem('the line is not an object')
  const members = new Map<string, string>()
  scan.at++
  for (;;) {
    scan.space()
    if (line[scan.at] === '}') return members
    if (line[scan.at] === ',') {
      scan.at++
      continue
    }
    const keyStart = scan.at
    scan.text()
    const key = JSON.parse(line.slice(keyStart, scan.at)) as string
    scan.space()
    scan.at++
    scan.space()
    const start = scan.at
    const problem = scan.value()
    if (problem !== undefined) return new JsonLineProblem(problem)
    if (members.has(key)) return new JsonLineProblem(`the key ${JSON.stringify(key)} comes twice`)
    members.set(key, line.slice(start, scan.at))
  }
}

/** Walks valid JSON without recursion. */
function scanner(line: string) {
  const scan = {
    at: 0,
    space(): void {
      while (scan.at < line.length && ' \t\r\n'.includes(line[scan.at]!)) scan.at++
    },
    text(): void {
      scan.at++
      while (scan.at < line.length && line[scan.at] !== '"') scan.at += line[scan.at] === '\\' ? 2 : 1
      scan.at++
    },
    /** Passes one value; says what is wrong with it. Keys that come twice in a nested object are found too. */
    value(): string | undefined {
      // Of each open bracket: the keys seen, or none for an array.
      const open: (Set<string> | undefined)[] = []
      do {
        scan.space()
        // Only where the line is not valid.
        if (scan.at >= line.length) return 'it ends early'
        const character = line[scan.at]!
        if (character === '{' || character === '[') {
          open.push(character === '{' ? new Set() : undefined)
          if (open.length >= maxDepth) return `it is nested deeper than ${maxDepth} levels`
          scan.at++
        } else if (character === '}' || character === ']') {
          open.pop()
          scan.at++
        } else if (character === ',' || character === ':') scan.at++
        else if (character === '"') {
          const start = scan.at
          scan.text()
          const end = scan.at
          const keys = open.at(-1)
          scan.space()
          if (keys !== undefined && line[scan.at] === ':') {
            const key = JSON.parse(line.slice(start, end)) as string
            if (keys.has(key)) return `the key ${JSON.stringify(key)} comes twice`
            keys.add(key)
          } else scan.at = end
        } else while (scan.at < line.length && !',]} \t\r\n'.includes(line[scan.at]!)) scan.at++
      } while (open.length > 0)
      return undefined
    },
  }
  return scan
}
