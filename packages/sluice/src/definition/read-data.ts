/** Definitions in YAML and JSON, read as what they are: data from outside that may be hostile (fault CT-06). */
import { isAlias, isMap, isScalar, LineCounter, parseDocument, visit } from 'yaml'
import { type Problem, problem } from '../base/errors.ts'
import { placesInData } from './problems/data-places.ts'
import { noPlaces, type Places } from './problems/places.ts'

/** The most that a definition file may hold. */
export const dataLimits = { characters: 1_000_000, depth: 64, aliases: 100 } as const

const forbiddenKeys: readonly unknown[] = ['__proto__', 'constructor', 'prototype']

/** A definition file, read: its value where there is no problem, and where its pieces stand. */
export interface ReadData {
  readonly value: unknown
  readonly places: Places
  readonly problems: readonly Problem[]
}

/**
 * Reads YAML or JSON, by the name's ending. Duplicate keys, merge keys, `__proto__`, deep nesting, alias bombs, size and anything beyond plain
 * JSON values are problems, each with its place.
 *
 * @example readData('pipeline.yaml', 'name: retail').value // { name: 'retail' }
 */
export function readData(file: string, text: string): ReadData {
  const refuse = (detail: string): ReadData => ({
    value: undefined,
    places: noPlaces(file),
    problems: [problem('Definition.Unreadable', { file, detail }, { at: { file, line: 1, column: 1 } })],
  })
  if (text.length > dataLimits.characters) return refuse(`it is longer than ${dataLimits.characters} characters`)
  if (depthOf(text) > dataLimits.depth) return refuse(`it is nested deeper than ${dataLimits.depth}`)
  const json = file.endsWith('.json') ? jsonError(text) : undefined
  try {
    return readDocument(file, json === undefined ? text : text.replaceAll('\t', ' '), json)
  } catch (error) {
    if (error instanceof RangeError) return refuse(`it is nested deeper than ${dataLimits.depth}`)
    throw error
  }
}

function readDocument(file: string, text: string, json: string | undefined): ReadData {
  const lines = new LineCounter()
  const document = parseDocument(text, {
    version: '1.2',
    schema: file.endsWith('.json') ? 'json' : 'core',
    merge: false,
    uniqueKeys: true,
    strict: true,
    stringKeys: true,
    lineCounter: lines,
    prettyErrors: false,
  })
  const places = placesInData(file, document, lines)
  const problems: Problem[] = []
  const refuse = (detail: string, offset: number): void => {
    const { line, col } = lines.linePos(offset)
    problems.push(problem('Definition.Unreadable', { file, detail }, { at: { file, line, column: col } }))
  }
  for (const error of [...document.errors, ...document.warnings]) refuse(sentence(error.message), error.pos[0])
  if (problems.length === 0 && json !== undefined) refuse(json, 0)
  let aliases = 0
  visit(document, {
    Node(_key, node, path) {
      if (path.length > 2 * dataLimits.depth) {
        refuse(`it is nested deeper than ${dataLimits.depth}`, node.range?.[0] ?? 0)
        return visit.BREAK
      }
      if (isAlias(node) && ++aliases > dataLimits.aliases) {
        refuse(`it has more than ${dataLimits.aliases} aliases`, node.range?.[0] ?? 0)
        return visit.BREAK
      }
      if (isScalar(node) && typeof node.value === 'number' && !Number.isFinite(node.value)) {
        refuse(`${String(node.source)} is not a number that JSON has`, node.range?.[0] ?? 0)
      }
      return undefined
    },
    Pair(_key, pair) {
      const name = isScalar(pair.key) ? pair.key.value : pair.key
      const offset = isScalar(pair.key) ? (pair.key.range?.[0] ?? 0) : 0
      if (forbiddenKeys.includes(name)) refuse(`the key "${String(name)}" is not allowed`, offset)
      if (name === '<<') refuse('merge keys are not supported; repeat what is meant', offset)
      if (isMap(pair.key)) refuse('a key must be a text', pair.key.range?.[0] ?? 0)
    },
  })
  if (problems.length > 0) return { value: undefined, places, problems }
  try {
    return { value: document.toJS({ maxAliasCount: dataLimits.aliases }), places, problems }
  } catch (error) {
    // The only thing that can still go wrong is aliases that multiply.
    refuse(sentence((error as Error).message), 0)
    return { value: undefined, places, problems }
  }
}

function sentence(message: string): string {
  return message.split('\n')[0]!.replace(/[.:]\s*$/, '')
}

/** What is wrong with a text as JSON; YAML forgives more. */
function jsonError(text: string): string | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return `it is not JSON: ${sentence((error as Error).message)}`
  }
}

/** The deepest nesting of brackets and of indentation, before anything recursive sees the text. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  for (const c of text) {
    if (c === '[' || c === '{') deepest = Math.max(deepest, ++depth)
    else if (c === ']' || c === '}') depth = Math.max(0, depth - 1)
  }
  return deepest
}
