/** Proposes contracts from what a server says of its procedures, to be reviewed. Pure. */
import type { ProcedureDescription, ResultColumn } from '../../connections/connection.ts'
import { procedureNameRule, tableOf } from '../../definition/procedures/rules.ts'
import type { ProcedureSource } from '../../definition/types.ts'
import { type Difference, matchContract } from './contract.ts'
import { columnNote } from './crawl-notes.ts'

/** What is known of a procedure: described by the server, or seen in a call. */
export interface SeenProcedure {
  readonly procedure: string
  readonly parameters: ProcedureDescription['parameters']
  readonly sets: readonly { readonly set: number; readonly columns: readonly ResultColumn[] }[]
  /** Why sets are missing. */
  readonly note?: string
}

/** A source that is there, and the table that it fills. */
export interface ExistingSource {
  readonly table: string
  readonly source: ProcedureSource
}

/** One result set as a source. */
export interface ProposedSet {
  readonly set: number
  /** The table's name, without its layer. */
  readonly table: string
  readonly columns: readonly (ResultColumn & { readonly note?: string })[]
  /** The table of the source that takes this set today. */
  readonly against?: string
  /** From that source to what arrives. */
  readonly diff: readonly Difference[]
}

/** A procedure, as it could be declared. */
export interface ProposedProcedure {
  /** As a definition writes it: without quotes. */
  readonly procedure: string
  readonly parameters: SeenProcedure['parameters']
  readonly sets: readonly ProposedSet[]
  /** Why it has no sets, or cannot be declared. */
  readonly note?: string
}

/**
 * Proposes sources for procedures: names that are free, notes where a type has a trap, and the differences from sources that are there.
 *
 * @example proposeProcedures(seen, existing).map(({ sets }) => sets.map(({ table }) => table))
 */
export function proposeProcedures(
  seen: readonly SeenProcedure[],
  existing: readonly ExistingSource[],
): readonly ProposedProcedure[] {
  const tables = new Set(existing.map(({ table }) => nameOf(table)))
  return seen.map(({ procedure: quoted, parameters, sets, note }) => {
    const procedure = withoutQuotes(quoted)
    const rule = procedureNameRule(procedure)
    const why = rule === undefined ? note : `its name cannot be declared: it must be ${rule}`
    const there = sourcesOf(procedure, existing)
    return {
      procedure,
      parameters,
      sets: sets.map(({ set, columns }) => proposeSet(procedure, set, columns, there, tables)),
      ...(why === undefined ? {} : { note: why }),
    }
  })
}

function proposeSet(
  procedure: string,
  set: number,
  columns: readonly ResultColumn[],
  there: readonly ExistingSource[],
  tables: Set<string>,
): ProposedSet {
  const found = there.find(({ source }) => source.resultSet === set)
  const noted = columns.map((column) => {
    const note = columnNote(column, columns)
    return { ...column, ...(note === undefined ? {} : { note }) }
  })
  if (found !== undefined) {
    const { differences } = matchContract(found.source.columns, columns)
    return { set, table: nameOf(found.table), columns: noted, against: found.table, diff: differences }
  }
  return {
    set,
    table: freeName(`${tableOf(procedure)}${set === 1 ? '' : `_${set}`}`, tables),
    columns: noted,
    diff: [],
  }
}

/** A source may leave away what the connection says: the database, or a schema that is searched. */
function sourcesOf(procedure: string, existing: readonly ExistingSource[]): readonly ExistingSource[] {
  const same = existing.filter(({ source }) => source.procedure === procedure)
  if (same.length > 0) return same
  return existing.filter(
    ({ source }) => procedure.endsWith(`.${source.procedure}`) || source.procedure.endsWith(`.${procedure}`),
  )
}

const nameOf = (table: string): string => table.slice(table.indexOf('.') + 1)

function freeName(wanted: string, tables: Set<string>): string {
  let name = wanted
  for (let more = 2; tables.has(name); more++) name = `${wanted}_${more}`
  tables.add(name)
  return name
}

/** Adapters quote parts that need it; a definition never does. A part with a dot keeps its quotes: it cannot be declared. */
const withoutQuotes = (procedure: string): string =>
  procedure.replace(/\[([^[\].]*)\]|"([^".]*)"|`([^`.]*)`/g, '$1$2$3')
