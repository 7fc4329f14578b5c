/** What spans the pieces of a project: names across pipelines, columns of known tables, folders that would feed each other. */
import { type Problem, problem } from '../../base/errors.ts'
import { changesProblems, lookupsOf } from '../cdc/cdc.ts'
import { declaredColumns, eachColumns } from '../columns.ts'
import { procedureProblems } from '../procedures/procedures.ts'
import type { Load, Pipeline, Project, Source } from '../types.ts'
import { checksOf, tablesOf } from './declared.ts'
import { inboxProblems } from './inboxes.ts'
import { spell } from './issues.ts'
import { type CheckContext, needColumns, needTable, type PlacesOf } from './known-names.ts'
import { noPlaces, type Path } from './places.ts'
import { allRead, type Unread } from './sound-part.ts'
import { suggest } from './suggest.ts'

/** Names of schemas that Sluice or its engines use for themselves. */
const reservedLayers = ['warehouse', 'sluice', 'main', 'temp', 'system', 'information_schema', 'pg_catalog']

/**
 * Checks a whole project; every problem at once, in the order of pipelines.
 *
 * @example checkProject(project).length // 0
 */
export function checkProject(
  project: Project,
  places: PlacesOf = noPlaces,
  unread: Unread = allRead,
): readonly Problem[] {
  const problems: Problem[] = []
  const tables = tablesOf(project)
  for (const table of unread.tables) tables.set(table, undefined)
  const context: CheckContext = { problems, places, tables, incomplete: unread.incomplete }
  duplicates(project, context)
  for (const pipeline of project.pipelines) {
    layers(pipeline, context)
    tableNames(pipeline, context)
    sourceColumnNames(pipeline, context)
    tableColumnNames(pipeline, context)
    loadColumnNames(pipeline, context)
    checkActions(pipeline, context)
    sourceOptions(pipeline, context)
    procedureProblems(pipeline, project.config.connections, context)
    changesProblems(pipeline, project, context)
    parameterNames(pipeline, context)
  }
  warehouseConnection(project, context)
  layerOrder(project, context)
  inboxProblems(project, context)
  return problems
}

/** A warehouse on a server names a connection to a server of its kind. */
function warehouseConnection({ config }: Project, { problems }: CheckContext): void {
  if (config.warehouse.kind === 'duckdb') return
  const { kind, connection } = config.warehouse
  const known = Object.keys(config.connections).filter((name) => config.connections[name]?.kind === kind)
  if (known.includes(connection)) return
  const meant = suggest(connection, known)
  problems.push(
    problem(
      'Definition.UnknownConnection',
      { connection, known: known.sort() },
      meant === undefined ? {} : { suggestion: meant },
    ),
  )
}

/** Parameters that calls and code models name are declared; those of SQL are found where it is parsed. */
function parameterNames(pipeline: Pipeline, { problems, places }: CheckContext): void {
  const known = Object.keys(pipeline.parameters ?? {})
  const need = (parameter: string, path: Path): void => {
    if (known.includes(parameter)) return
    const meant = suggest(parameter, known)
    const at = places(pipeline.file).at(path, parameter)
    const params = { parameter, where: spell(path), known }
    const context = meant === undefined ? { at } : { at, suggestion: meant }
    problems.push(problem('Definition.UnknownParameter', params, context))
  }
  for (const [table, source] of Object.entries(pipeline.sources)) {
    if (source.kind !== 'procedure') continue
    for (const [name, value] of Object.entries(source.parameters))
      if (typeof value === 'object' && value !== null && '$parameter' in value)
        need(value.$parameter, ['sources', table, 'parameters', name])
  }
  for (const [table, model] of Object.entries(pipeline.models))
    if (model.kind === 'code') for (const name of model.parameters ?? []) need(name, ['models', table, 'parameters'])
}

/** Pipelines, tables and load targets: each name once in a project. Engines ignore case, so this does, too. */
function duplicates(project: Project, { problems, places }: CheckContext): void {
  const seen = new Map<string, string>()
  const claim = (kind: string, name: string, by: string, file: string, path: Path): void => {
    const id = `${kind} ${name.toLowerCase()}`
    const first = seen.get(id)
    if (first === undefined) seen.set(id, by)
    else {
      const context = { at: places(file).at(path, path.length === 1 ? name : undefined) }
      problems.push(problem('Definition.DuplicateTable', { table: name, first, second: by }, context))
    }
  }
  for (const { name, file, layers, sources, models, loads } of project.pipelines) {
    claim('pipeline', name, file, file, ['name'])
    for (const table of Object.keys(sources))
      claim('table', `${layers[0]}.${table}`, `a source of ${file}`, file, ['sources', table])
    for (const [table, model] of Object.entries(models)) {
      const where = model.kind === 'sql' ? model.file : file
      const by = { sql: where, code: `a code model of ${file}`, changes: `changes in ${file}` }[model.kind]
      claim('table', table, by, where, model.kind === 'changes' ? ['tables', table] : ['models', table])
    }
    for (const target of Object.keys(loads)) claim('load', target, `a load of ${file}`, file, ['loads', target])
  }
}

function layers(pipeline: Pipeline, { problems, places }: CheckContext): void {
  const tell = (why: string, layer: string): void => {
    problems.push(problem('Definition.Layers', { why }, { at: places(pipeline.file).at(['layers'], layer) }))
  }
  pipeline.layers.forEach((layer, i) => {
    if (pipeline.layers.findIndex((other) => other.toLowerCase() === layer.toLowerCase()) < i)
      tell(`"${layer}" is there twice`, layer)
    if (reservedLayers.includes(layer.toLowerCase())) tell(`"${layer}" is a name that Sluice keeps for itself`, layer)
  })
}

/** Pipelines may share layers; two of them may not put the same two layers in opposite orders. */
function layerOrder(project: Project, { problems, places }: CheckContext): void {
  const before = new Map<string, string>()
  for (const { name, file, layers } of project.pipelines) {
    layers.forEach((first, i) => {
      for (const second of layers.slice(i + 1)) {
        const other = before.get(`${second} ${first}`)
        if (other !== undefined) {
          const why = `pipeline "${other}" has ${second} before ${first}, and pipeline "${name}" has ${first} before ${second}`
          problems.push(problem('Definition.Layers', { why }, { at: places(file).at(['layers']) }))
        }
        before.set(`${first} ${second}`, before.get(`${first} ${second}`) ?? name)
      }
    })
  }
}

/** Every table that is named anywhere exists. */
function tableNames(pipeline: Pipeline, context: CheckContext): void {
  const { file } = pipeline
  for (const [target, load] of Object.entries(pipeline.loads))
    needTable(load.from, file, ['loads', target, 'from'], context)
  for (const [table, options] of Object.entries(pipeline.tables)) {
    needTable(table, file, ['tables', table], context)
    if (options.copy !== undefined) copied(table, options.copy, file, context)
    if (options.drops) needTable(options.drops.from, file, ['tables', table, 'drops', 'from'], context)
  }
  for (const [table, model] of Object.entries(pipeline.models)) {
    if (model.kind === 'code')
      for (const input of model.inputs) needTable(input, file, ['models', table, 'inputs'], context)
  }
  for (const { check, path } of checksOf(pipeline)) {
    if (check.kind === 'reference') needTable(check.to, file, path, context)
    if (check.kind === 'reconcile') needTable(check.with, file, path, context)
  }
}

/** A table is copied from another that exists. */
function copied(table: string, copy: string, file: string, context: CheckContext): void {
  const path = ['tables', table, 'copy']
  if (copy !== table) {
    needTable(copy, file, path, context)
    return
  }
  const params = { where: `tables.${table}.copy`, expected: 'another table than itself', found: `"${copy}"` }
  context.problems.push(problem('Definition.WrongValue', params, { at: context.places(file).at(path, copy) }))
}

/** Only rows can be kept apart: what looks at a whole table stops it or warns. In a source, duplicates of a key are rows, too. */
function checkActions(pipeline: Pipeline, { problems, places }: CheckContext): void {
  const rows = ['notNull', 'range', 'length', 'pattern', 'oneOf', 'format', 'row']
  for (const { check, table, path } of checksOf(pipeline)) {
    const isRows = rows.includes(check.kind) || (check.kind === 'unique' && isSource(pipeline, table))
    if (check.action !== 'quarantine' || isRows) continue
    const params = {
      where: `The action of the ${check.kind} check on ${table}`,
      expected: '"stop", as the check is about the table and not about single rows',
      found: '"quarantine"',
    }
    problems.push(problem('Definition.WrongValue', params, { at: places(pipeline.file).at([...path, 'action']) }))
  }
}

/** Options of tables that a source has no use for: ignoring them would be silent. */
function sourceOptions(pipeline: Pipeline, { problems, places }: CheckContext): void {
  const expected = {
    partitionBy: 'left out: the files of a source are kept as they come; partition the model that reads them',
    drops: 'left out: a source accounts for every row of its files by itself',
    checks: 'left out: changes are checked where tables are made of them',
  }
  for (const [table, options] of Object.entries(pipeline.tables)) {
    if (!isSource(pipeline, table)) continue
    for (const key of ['partitionBy', 'drops', 'checks'] as const) {
      if (options[key] === undefined || (key === 'checks' && !isLog(pipeline, table))) continue
      const at = places(pipeline.file).at(['tables', table, key])
      const params = { where: `tables.${table}.${key}`, expected: expected[key], found: 'an object' }
      problems.push(problem('Definition.WrongValue', params, { at }))
    }
  }
}

const isSource = ({ layers, sources }: Pipeline, table: string): boolean =>
  Object.keys(sources).some((name) => table === `${layers[0]}.${name}`)

const isLog = ({ layers, sources }: Pipeline, table: string): boolean =>
  Object.entries(sources).some(([name, { kind }]) => kind === 'cdc' && table === `${layers[0]}.${name}`)

/** Columns of a source: those that Sluice adds keep their names, and no two differ in case alone. */
function sourceColumnNames(pipeline: Pipeline, context: CheckContext): void {
  const { problems, places } = context
  for (const [key, source] of Object.entries(pipeline.sources)) {
    const table = `${pipeline.layers[0]}.${key}`
    const path = ['sources', key, 'columns']
    const names = [
      ...Object.keys(declaredColumns(source)),
      ...(source.kind === 'procedure' ? Object.keys(eachColumns(source)) : []),
    ]
    names.forEach((name, i) => {
      const twin = names.slice(0, i).find((other) => other.toLowerCase() === name.toLowerCase())
      const system = /^_(?:file|file_date|row|sluice_.*)$/is.test(name)
      if (twin === undefined && !system) return
      const params = {
        where: `The name of column "${name}" in ${path.join('.')}`,
        expected: system
          ? 'one that Sluice does not use itself (_file, _file_date, _row, _sluice_…)'
          : 'different in more than case',
        found: `"${twin ?? name}"`,
      }
      problems.push(problem('Definition.WrongValue', params, { at: places(pipeline.file).at([...path, name]) }))
    })
    needColumns(keyOf(source), table, pipeline.file, ['sources', key, 'key'], context)
  }
}

/** The columns that a source's key names. */
function keyOf(source: Source): readonly string[] {
  if (source.kind === 'procedure') return source.key ?? []
  if (source.kind === 'cdc' || source.key === undefined) return []
  const { columns, keep } = source.key
  return keep === 'none' ? columns : [...columns, ...Object.values(keep)]
}

function tableColumnNames(pipeline: Pipeline, context: CheckContext): void {
  const { file } = pipeline
  for (const [table, { partitionBy }] of Object.entries(pipeline.tables)) {
    if (partitionBy) needColumns([partitionBy.column], table, file, ['tables', table, 'partitionBy'], context)
  }
  for (const { check, table, path } of checksOf(pipeline)) {
    const columns = 'column' in check ? [check.column] : 'columns' in check ? check.columns : []
    needColumns(columns, table, file, path, context)
    if (check.kind !== 'reference') continue
    needColumns(check.toColumns, check.to, file, path, context)
    if (check.columns.length !== check.toColumns.length) {
      const params = {
        where: `The reference from ${table} to ${check.to}`,
        expected: `over ${check.columns.length} columns on both sides`,
        found: String(check.toColumns.length),
      }
      context.problems.push(problem('Definition.WrongValue', params, { at: context.places(file).at(path) }))
    }
  }
}

function loadColumnNames(pipeline: Pipeline, context: CheckContext): void {
  for (const [target, load] of Object.entries(pipeline.loads)) {
    needColumns(columnsOfLoad(load), load.from, pipeline.file, ['loads', target], context)
  }
}

/**
 * The columns of its table that a load names.
 *
 * @example columnsOfLoad({ mode: 'incremental', from: 'analytics.fact_sales', by: 'date_key' }) // ['date_key']
 */
export function columnsOfLoad(load: Load): readonly string[] {
  const lookedUp = lookupsOf(load)
  const named: (string | undefined)[] = [...(load.sort ?? []), load.distribute].filter(
    (name) => name === undefined || !Object.hasOwn(lookedUp, name),
  )
  if (load.mode === 'incremental') named.push(load.by)
  if (load.mode === 'append') named.push(load.batch)
  if (load.mode === 'upsert' || load.mode === 'scd2') {
    named.push(...load.key)
    if (typeof load.deletes === 'object') named.push(load.deletes.column)
  }
  if (load.mode === 'scd2') named.push(...(load.track ?? []), load.effective, load.snapshot, load.sequence)
  return [...new Set(named.filter((name) => name !== undefined))]
}
