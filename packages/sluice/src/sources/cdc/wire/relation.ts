/** What a stream of changes says about a table before its first change, and whenever it has changed. */

/** A column as the stream describes it. */
export interface RelationColumn {
  readonly name: string
  /** The oid of its type; names of types that are not built in come with `Type` messages. */
  readonly typeOid: number
  /** `atttypmod`: length, or precision and scale; -1 for none. */
  readonly typeModifier: number
  /** Whether it is a part of the replica identity: all columns are, where that is FULL. */
  readonly isKey: boolean
}

/** How the server names the rows of a table that are updated and deleted. */
export type ReplicaIdentity = 'default' | 'nothing' | 'full' | 'index'

/** One version of a table's shape. */
export interface Relation {
  readonly id: number
  /** See {@link tableName}. */
  readonly table: string
  readonly replicaIdentity: ReplicaIdentity
  readonly columns: readonly RelationColumn[]
  /** Places of the columns that name a row; empty where the table has none. */
  readonly key: readonly number[]
}

/**
 * A table's name in one text: a part that contains a dot or a quote is quoted, so that no two tables share a name.
 *
 * @example tableName('public', 'orders') // 'public.orders'
 * @example tableName('a.b', 'c') // '"a.b".c'
 */
export function tableName(schema: string, name: string): string {
  return `${part(schema)}.${part(name)}`
}

/**
 * The parts of a table's name, as {@link tableName} writes it.
 *
 * @example parseTableName('"a.b".c') // { schema: 'a.b', name: 'c' }
 */
export function parseTableName(table: string): { readonly schema: string; readonly name: string } {
  const [schema = '', name = ''] = table.match(/"(?:[^"]|"")*"|[^."]+/g) ?? []
  return { schema: plain(schema), name: plain(name) }
}

function plain(part: string): string {
  return part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part
}

function part(name: string): string {
  return /[."]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name
}

/**
 * A relation's shape as JSON, the same for the same shape whatever its id: what the change log keeps when a table begins or changes.
 *
 * @param typeNames names of types that are not built in, by oid
 * @example relationShape(relation, new Map()) // '{"replicaIdentity":"default","columns":[{"name":"id","type":23,…}]}'
 */
export function relationShape(relation: Relation, typeNames: ReadonlyMap<number, string>): string {
  return JSON.stringify({
    replicaIdentity: relation.replicaIdentity,
    key: relation.key.map((place) => relation.columns[place]!.name),
    columns: relation.columns.map(({ name, typeOid, typeModifier, isKey }) => {
      const typeName = typeNames.get(typeOid)
      return { name, typeOid, ...(typeName === undefined ? {} : { typeName }), typeModifier, isKey }
    }),
  })
}
