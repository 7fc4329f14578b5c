/** The parts of nested columns and their ids: other readers of the files find members, elements and keys by id, as they find columns. */
import type { Field, NestedField } from './record.ts'

/** Gives out ids. */
export interface FieldIds {
  /** The next one that no field of the table ever had. */
  next: number
}

/**
 * A column with ids for its parts: those that its column had before, and new ones.
 *
 * @example withNested({ id: 4, name: 'tags', type: 'VARCHAR[]', nullable: true }, undefined, { next: 5 }).nested // [{ id: 5, name: 'element', type: 'VARCHAR' }]
 * @param before The column's parts in the version before.
 */
export function withNested(
  { nested: _, ...field }: Field,
  before: readonly NestedField[] | undefined,
  ids: FieldIds,
): Field {
  const nested = nestedOf(field.type, before, ids)
  return nested === undefined ? field : { ...field, nested }
}

function nestedOf(
  type: string,
  before: readonly NestedField[] | undefined,
  ids: FieldIds,
): readonly NestedField[] | undefined {
  return partsOf(type)?.map((part) => {
    const old = before?.find(({ name }) => name === part.name)
    const id = old?.id ?? ids.next++
    const nested = nestedOf(part.type, old?.nested, ids)
    return { id, ...part, ...(nested === undefined ? {} : { nested }) }
  })
}

/** What a type is made of, in the order of a Parquet schema; undefined where it is not nested. */
function partsOf(type: string): readonly { readonly name: string; readonly type: string }[] | undefined {
  const element = /^(.+)\[\d*\]$/s.exec(type)?.[1]
  if (element !== undefined) return [{ name: 'element', type: element }]
  const [, kind, inner] = /^(STRUCT|MAP)\((.*)\)$/s.exec(type) ?? []
  if (inner === undefined) return undefined
  const parts = split(inner)
  if (kind === 'MAP') return ['key', 'value'].map((name, at) => ({ name, type: parts[at] ?? '' }))
  return parts.map((part) => {
    const [, quoted, plain, of] = /^(?:"((?:[^"]|"")*)"|(\S+))\s+(.*)$/s.exec(part) ?? []
    return { name: quoted?.replaceAll('""', '"') ?? plain ?? '', type: of ?? '' }
  })
}

/** At its outer commas, as DuckDB spells a type. */
function split(inner: string): readonly string[] {
  const parts = ['']
  let depth = 0
  for (const [token] of inner.matchAll(/"(?:[^"]|"")*"|'(?:[^']|'')*'|./gs)) {
    if (token === '(') depth++
    if (token === ')') depth--
    if (token === ',' && depth === 0) parts.push('')
    else parts[parts.length - 1] += token
  }
  return parts.map((part) => part.trim())
}
