/** One line of JSON Lines as texts: numbers keep every digit, because they are never made into JavaScript's numbers. */
import type { Column } from '../../../definition/types.ts'
import { namesInFile, namesInWords } from './header.ts'

const maxDepth = 64

/** Why a line cannot be taken. */
export class JsonLineProblem {
  readonly detail: string
  constructor(detail: string) {
    this.detail = detail
  }
}

/**
 * Makes a reader of lines: each contract column's text, or the problem.
 *
 * Texts are unescaped, numbers and nested values are kept as they are written, NULL and absent keys are NULL.
 *
 * @example jsonLineReader({ n: { type: 'bigint' } }, 'reject')('{"n":9007199254740993}') // ['9007199254740993']
 */
export function jsonLineReader(
  columns: { readonly [column: string]: Column },
  extra: 'reject' | 'ignore',
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
      return new JsonLineProblem((error as Error).message)
    }
    const texts: (string | null | undefined)[] = new Array(entries.length).fill(undefined)
    const members = objectMembers(line)
    if (members instanceof JsonLineProblem) return members
    for (const [key, value] of members) {
      const place = places.get(key) ?? places.get(key.normalize('NFC'))
      if (place !== undefined) {
        if (texts[place] !== undefined) {
          return new JsonLineProblem(`the key ${namesInWords([key])} is of a column that another key is of, too`)
        }
        texts[place] = value
      } else if (extra === 'reject') return new JsonLineProblem(`the key ${namesInWords([key])} is not in the contract`)
    }
    return texts.map((text) => text ?? null)
  }
}

/**
 * The members of an object's text, each value as its text.
 *
 * @example objectMembers('{"a":1.10,"b":[1]}') // Map { 'a' → '1.10', 'b' → '[1]' }
 * @param line valid JSON
 */
export function objectMembers(line: string): ReadonlyMap<string, string | null> | JsonLineProblem {
  const scan = scanner(line)
  scan.space()
  if (line[scan.at] !== '{') return new JsonLineProblem('the line is not an object')
  const members = new Map<string, string | null>()
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
    const first = line[start]
    const problem = scan.value()
    if (problem !== undefined) return new JsonLineProblem(problem)
    if (members.has(key)) return new JsonLineProblem(`the key ${JSON.stringify(key)} comes twice`)
    const raw = line.slice(start, scan.at)
    members.set(key, first === '"' ? (JSON.parse(raw) as string) : raw === 'null' ? null : raw)
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
      while (line[scan.at] !== '"') scan.at += line[scan.at] === '\\' ? 2 : 1
      scan.at++
    },
    /** Passes one value; says what is wrong with it. Keys that come twice in a nested object are found too. */
    value(): string | undefined {
      // Of each open bracket: the keys seen, or none for an array.
      const open: (Set<string> | undefined)[] = []
      do {
        scan.space()
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
