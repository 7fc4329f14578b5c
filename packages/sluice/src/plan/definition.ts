/** What decides a task's result, as digests: one per part, so that a plan can say which part has changed. */
import { digest } from '../base/json.ts'
import { declaredChecks, declaredColumns } from '../definition/columns.ts'
import type {
  CdcSource,
  ChangesModel,
  Column,
  FilesSource,
  Load,
  Model,
  ProcedureSource,
  Source,
  TableOptions,
} from '../definition/types.ts'
import type { PlanColumn } from './types.ts'

/** Raised when an engine's result for the same SQL over the same inputs would be written differently; then every model is made again. */
const RESULT_FORMAT = 1

/** Half a SHA-256: 128 bits are enough to tell versions of one definition apart, and keep records short. */
const DIGEST_LENGTH = 32

type Parts = { readonly [part: string]: unknown }

/**
 * The digest of a source: contract, format, call or stream, checks and rules; not its folders, its server, its description or its pace.
 *
 * @example sourceDefinition(source, options)
 */
export function sourceDefinition(source: Source, options: TableOptions): string {
  return join({
    columns: contractOf(declaredColumns(source)),
    checks: [declaredChecks(source), options.checks ?? []],
    ...partsOf(source),
    partition: options.partitionBy,
  })
}

const contractOf = (columns: { readonly [column: string]: Column }): unknown =>
  Object.entries(columns).map(([name, { description: _, ...column }]) => [name, column])

function partsOf(source: Source): Parts {
  switch (source.kind) {
    case 'files':
      return filesParts(source)
    case 'procedure':
      return procedureParts(source)
    case 'cdc':
      return streamParts(source)
  }
}

function filesParts(source: FilesSource): Parts {
  const { format, mode, fileDate, rowNumbers = false, quarantine, key, rowCount, limits } = source
  const { duplicateContent, changedContent } = source
  return {
    format,
    rules: {
      mode,
      fileDate,
      rowNumbers,
      quarantine,
      key,
      rowCount,
      limits,
      duplicateContent,
      changedContent,
    },
  }
}

function procedureParts(source: ProcedureSource): Parts {
  const { kind: _, columns: __, checks: ___, description: ____, timeoutSeconds: _____, ...declared } = source
  const { connection, procedure, parameters, resultSet, window, ...rules } = declared
  return { call: { connection, procedure, parameters: Object.entries(parameters), resultSet, window }, rules }
}

function streamParts({ connection, slot, publication, tables, partitionBy, truncate }: CdcSource): Parts {
  return { stream: { connection, slot, publication }, tables: [...tables].sort(), rules: { partitionBy, truncate } }
}

/**
 * The digest of a model. SQL is compared as it is written but for white space around it: any finer equality is a matter of the engine.
 *
 * @example modelDefinition({ kind: 'sql', sql: 'SELECT 1 AS a', file: 'stage/a.sql' }, {})
 */
export function modelDefinition(model: Model, options: TableOptions): string {
  return join({
    checks: options.checks ?? [],
    ...madeBy(model),
    partition: options.partitionBy,
    drops: options.drops,
    engine: RESULT_FORMAT,
  })
}

function madeBy(model: Model): Parts {
  switch (model.kind) {
    case 'sql':
      return { sql: model.sql.trim(), parameters: model.bound }
    case 'code':
      return {
        code: model.make.toString(),
        inputs: model.inputs,
        columns: Object.entries(model.columns ?? {}),
        parameters: model.bound,
      }
    case 'changes':
      return changesParts(model)
  }
}

function changesParts({ from, table, dms, as, key, columns, transforms, checks, quarantine }: ChangesModel): Parts {
  return {
    changes: { from, table, dms, as, key },
    columns: contractOf(columns),
    transforms: Object.entries(transforms),
    checks,
    rules: { quarantine },
  }
}

/**
 * The digest of a load: how it writes, and the columns that it writes.
 *
 * @example loadDefinition({ mode: 'replace', from: 'analytics.dim_product' }, columns)
 */
export function loadDefinition(load: Load, columns: readonly PlanColumn[]): string {
  const { description: _, timeoutSeconds: __, ...written } = load
  return join({ load: written, columns: columns.map(({ name, type }) => [name, type]) })
}

/**
 * The names of the parts in which two definitions differ; empty when they are of another format, or equal.
 *
 * @example changedParts(state.definition, task.definition) // ['sql']
 */
export function changedParts(before: string, after: string): readonly string[] {
  const [old, current] = [split(before), split(after)]
  if (before === after || old.size === 0) return []
  return [...new Set([...old.keys(), ...current.keys()])].filter((part) => old.get(part) !== current.get(part)).sort()
}

function join(parts: Parts): string {
  return Object.entries(parts)
    .filter(([, value]) => value !== undefined)
    .map(([part, value]) => `${part}:${digest(value).slice(0, DIGEST_LENGTH)}`)
    .sort()
    .join(' ')
}

function split(definition: string): ReadonlyMap<string, string> {
  const parts = definition.split(' ').map((part) => part.split(':'))
  return new Map(parts.flatMap(([name, value]) => (name !== undefined && value !== undefined ? [[name, value]] : [])))
}
