/** What spans changes and the rest of their project: connections and slots, the tables that are made of a log, and the keys that loads look up. */

import { problem } from '../../base/errors.ts'
import { type CheckContext, needColumns, needTable } from '../problems/known-names.ts'
import type { Path } from '../problems/places.ts'
import { suggest } from '../problems/suggest.ts'
import { projectIndex } from '../project-index.ts'
import type { CdcSource, ChangesModel, Load, Lookup, Pipeline, Project, Source } from '../types.ts'

/** Tells of a wrong value in a file of the project. */
type Tell = (path: Path, expected: string, found: string, meant?: string) => void

/**
 * Adds the problems of a pipeline's changes: of its logs, of the tables made of them, and of its lookups.
 *
 * @example changesProblems(pipeline, project, context)
 */
export function changesProblems(pipeline: Pipeline, project: Project, context: CheckContext): void {
  const { file } = pipeline
  const tell: Tell = (path, expected, found, meant) => {
    const at = context.places(file).at(path, found)
    const params = { where: path.join('.'), expected, found: `"${found}"` }
    const told = { at, ...(meant === undefined ? {} : { suggestion: meant }) }
    context.problems.push(problem('Definition.WrongValue', params, told))
  }
  for (const [key, source] of Object.entries(pipeline.sources))
    if (source.kind === 'cdc')
      logProblems(`${pipeline.layers[0]}.${key}`, source, ['sources', key], { project, file, context, tell })
  for (const [table, { changes, copy, partitionBy, drops }] of Object.entries(pipeline.tables)) {
    if (changes === undefined) continue
    const path = ['tables', table, 'changes']
    for (const [option, value] of Object.entries({ copy, partitionBy, drops }))
      if (value !== undefined)
        tell(
          ['tables', table, option],
          'left out, as the table is made of changes, each of which is accounted for',
          option,
        )
    tableProblems(table, changes, path, { project, file, context, tell })
  }
  for (const [target, load] of Object.entries(pipeline.loads))
    for (const [column, lookup] of Object.entries(lookupsOf(load)))
      lookupProblems(load.from, column, lookup, ['loads', target, 'lookups', column], { project, file, context, tell })
}

/**
 * The keys that a load looks up, by the column that takes them.
 *
 * @example lookupsOf(load) // { customer_sk: { dimension: 'dim_customer', key: { customer_id: 'id' }, at: 'ordered_at', missing: 'fail' } }
 */
export function lookupsOf(load: Load): { readonly [column: string]: Lookup } {
  return (load.mode === 'scd2' ? undefined : load.lookups) ?? {}
}

/**
 * The logs of changes of a project.
 *
 * @example capturedLogs(project) // [{ log: 'raw.shop', file: 'pipelines/shop/pipeline.ts', source }]
 */
export function capturedLogs(
  project: Project,
): readonly { readonly log: string; readonly file: string; readonly source: CdcSource }[] {
  return projectIndex(project).sources.flatMap(({ table: log, source, pipeline: { file } }) =>
    source.kind === 'cdc' ? [{ log, file, source }] : [],
  )
}

interface Checked {
  readonly project: Project
  readonly file: string
  readonly context: CheckContext
  readonly tell: Tell
}

/** A log is of a PostgreSQL that is configured, and has its slot to itself. */
function logProblems(log: string, source: CdcSource, path: Path, { project, file, context, tell }: Checked): void {
  const { connections } = project.config
  const { connection, slot } = source
  if (!Object.hasOwn(connections, connection)) {
    const known = Object.keys(connections).sort()
    const meant = suggest(connection, known)
    const told = {
      at: context.places(file).at([...path, 'connection'], connection),
      ...(meant === undefined ? {} : { suggestion: meant }),
    }
    context.problems.push(problem('Definition.UnknownConnection', { connection, known }, told))
  } else if (connections[connection]!.kind !== 'postgres') {
    tell([...path, 'connection'], 'a connection of kind postgres, whose changes can be captured', connection)
  }
  const first = capturedLogs(project).find(
    ({ source: other }) => other.slot === slot && other.connection === connection,
  )
  if (first !== undefined && first.log !== log)
    tell([...path, 'slot'], `another than that of ${first.log}, as what one reader took the other would miss`, slot)
}

/** A table of changes is of a table that is captured, or of files that DMS has written; its key is among its columns. */
function tableProblems(
  table: string,
  changes: Omit<ChangesModel, 'kind'>,
  path: Path,
  { project, file, context, tell }: Checked,
): void {
  const { from, table: captured, dms, key, columns } = changes
  const source = projectIndex(project).source(from)?.source
  if (source === undefined) {
    needTable(from, file, [...path, 'from'], context)
    if (context.tables.has(from))
      tell([...path, 'from'], 'the table of a source, as models say nothing of what changed', from)
  } else if (captured !== undefined && source.kind !== 'cdc') {
    tell([...path, 'from'], 'a log of changes (cdc), as "table" names a table of it', from)
  } else if (captured !== undefined && source.kind === 'cdc' && !source.tables.includes(captured)) {
    const expected = `one of the tables that ${from} captures (${source.tables.join(', ')})`
    tell([...path, 'table'], expected, captured, suggest(captured, source.tables))
  } else if (dms !== undefined) {
    filesProblems(dms, source, from, path, { project, file, context, tell })
  }
  names(columns, [...path, 'columns'], tell)
  if (Object.keys(columns).length > 0) needColumns(key, table, file, [...path, 'key'], context)
}

/** Files of DMS: rows come in their order, and the columns that tell what happened are there. */
function filesProblems(
  { op, committedAt }: NonNullable<ChangesModel['dms']>,
  source: Source,
  from: string,
  path: Path,
  { file, context, tell }: Checked,
): void {
  if (source.kind !== 'files') {
    tell([...path, 'from'], 'a source of files, as "dms" is about files', from)
    return
  }
  const needed = committedAt === undefined ? [op] : [op, committedAt]
  needColumns(needed, from, file, [...path, 'dms'], context)
  if (source.rowNumbers !== true || source.mode !== 'append')
    tell([...path, 'from'], 'a source of files with rowNumbers, whose mode is append: changes have an order', from)
}

/** No two columns differ in case alone. */
function names(columns: ChangesModel['columns'], path: Path, tell: Tell): void {
  const seen = new Map<string, string>()
  for (const name of Object.keys(columns)) {
    const twin = seen.get(name.toLowerCase())
    if (twin !== undefined) tell([...path, name], `different from "${twin}" in more than case`, name)
    seen.set(name.toLowerCase(), name)
  }
}

/** A lookup is of a dimension of the project, by the whole of its key. */
function lookupProblems(from: string, column: string, lookup: Lookup, path: Path, checked: Checked): void {
  const { project, file, context, tell } = checked
  const { dimension, key, at } = lookup
  needColumns([...Object.keys(key), at], from, file, path, context)
  if (context.tables.get(from)?.includes(column)) tell(path, `another name than that of a column of ${from}`, column)
  const { loads, load: loadOf } = projectIndex(project)
  const dimensions = loads.flatMap(({ target, load: { mode } }) => (mode === 'scd2' ? [target] : []))
  const load = loadOf(dimension)?.load
  if (load?.mode !== 'scd2') {
    const expected = `the target of an scd2 load (${dimensions.length > 0 ? dimensions.join(', ') : 'there is none'})`
    tell([...path, 'dimension'], expected, dimension, suggest(dimension, dimensions))
    return
  }
  const compared = Object.values(key)
  const whole = compared.length === load.key.length && load.key.every((one) => compared.includes(one))
  if (!whole)
    tell(
      [...path, 'key'],
      `columns for the whole key of ${dimension} (${load.key.join(', ')}), each once`,
      compared.join(', '),
    )
}
