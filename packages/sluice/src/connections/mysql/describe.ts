/** What there is to call. The catalog shows a routine, with its parameters, to whoever may execute it; of its results it knows nothing. */
import type { ColumnType } from '../../definition/types.ts'
import type { Cell, ProcedureDescription } from '../connection.ts'
import type { Bound, Wire } from './connect.ts'
import type { RoutineName } from './names.ts'
import { columnOf, type DecodedColumn, readRow } from './types.ts'

/** A parameter as the catalog has it. */
export interface RoutineParameter {
  readonly name: string
  readonly mode: 'IN' | 'OUT' | 'INOUT'
  /** `decimal`. */
  readonly dataType: string
  /** `decimal(10,2)`. */
  readonly serverType: string
  readonly maxLength: number | undefined
  readonly precision: number | undefined
  readonly scale: number | undefined
  /** Fraction digits of the seconds. */
  readonly fraction: number | undefined
}

/**
 * All rows of a fixed statement.
 *
 * @example await select(wire, 'shop', 'SELECT version()', [])
 */
export async function select(
  wire: Wire,
  connection: string,
  statement: string,
  values: readonly Bound[],
): Promise<readonly (readonly Cell[])[]> {
  const rows: Cell[][] = []
  await wire.execute(statement, values, {
    fields: (fields) => {
      const columns: readonly DecodedColumn[] = fields.map(columnOf)
      return (packet) => {
        const cells: Cell[][] = columns.map(() => [])
        readRow(packet, columns, cells, connection)
        rows.push(cells.map(([cell]) => cell as Cell))
      }
    },
  })
  return rows
}

const parameterQuery = `SELECT parameter_name, parameter_mode, data_type, dtd_identifier, character_maximum_length, numeric_precision,
 numeric_scale, datetime_precision FROM information_schema.parameters
 WHERE specific_schema = COALESCE(?, database()) AND specific_name = ? AND routine_type = 'PROCEDURE' ORDER BY ordinal_position`

const routineQuery = `SELECT routine_schema, routine_name, routine_schema = database() FROM information_schema.routines
 WHERE routine_type = 'PROCEDURE' AND routine_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')
 AND (? IS NULL OR routine_schema = COALESCE(?, database()) AND routine_name = ?) ORDER BY 1, 2`

/**
 * The parameters of a procedure in their order; undefined where the catalog does not show it.
 *
 * @example await parametersOf(wire, 'shop', { database: undefined, name: 'customers' })
 */
export async function parametersOf(
  wire: Wire,
  connection: string,
  { database = null, name }: { readonly database: string | null | undefined; readonly name: string },
): Promise<readonly RoutineParameter[] | undefined> {
  const rows = await select(wire, connection, parameterQuery, [database, name])
  if (rows.length === 0 && (await select(wire, connection, routineQuery, [name, database, name])).length === 0)
    return undefined
  const number = (cell: Cell | undefined): number | undefined => (cell == null ? undefined : Number(cell))
  return rows.map(([parameter, mode, dataType, serverType, maxLength, precision, scale, fraction]) => ({
    name: String(parameter),
    mode: mode as RoutineParameter['mode'],
    dataType: String(dataType).toLowerCase(),
    serverType: String(serverType),
    maxLength: number(maxLength),
    precision: number(precision),
    scale: number(scale),
    fraction: number(fraction),
  }))
}

/**
 * Describes what this login may call.
 *
 * @example await describeProcedures(wire, 'shop', undefined)
 */
export async function describeProcedures(
  wire: Wire,
  connection: string,
  only: RoutineName | undefined,
): Promise<readonly ProcedureDescription[]> {
  const { database = null, name = null } = only ?? {}
  const routines = await select(wire, connection, routineQuery, [name, database, name])
  const described: ProcedureDescription[] = []
  for (const [schema, routine, isHere] of routines as readonly (readonly [string, string, Cell])[]) {
    const parameters = (await parametersOf(wire, connection, { database: schema, name: routine })) ?? []
    described.push({
      procedure: (isHere === '1' ? [routine] : [schema, routine]).map(namePart).join('.'),
      parameters: parameters.map(({ name, mode, dataType, serverType, precision = 0, scale = 0 }) => ({
        name,
        serverType,
        type: typeOf(dataType, serverType, precision, scale),
        output: mode !== 'IN',
        hasDefault: false,
      })),
      note: 'the server describes no results of procedures: only a call shows their columns',
    })
  }
  return described
}

/** A part as `routineName` reads it. */
const namePart = (name: string): string => (/[.`]/.test(name) ? `\`${name.replaceAll('`', '``')}\`` : name)

const simpleTypes: Readonly<Record<string, ColumnType>> = {
  ...{ tinyint: 'tinyint', smallint: 'smallint', mediumint: 'integer', int: 'integer', bigint: 'bigint' },
  ...{ float: 'real', double: 'float', date: 'date', datetime: 'timestamp', timestamp: 'timestamptz', time: 'time' },
  ...{ year: 'smallint', json: 'json', uuid: 'uuid', bit: 'bigint' },
  ...{ binary: 'binary', varbinary: 'binary', tinyblob: 'binary', blob: 'binary', mediumblob: 'binary' },
  ...{ longblob: 'binary', geometry: 'binary', point: 'binary' },
}
const unsignedTypes: Readonly<Record<string, ColumnType>> = {
  ...{ tinyint: 'smallint', smallint: 'integer', mediumint: 'integer', int: 'bigint', bigint: 'decimal(20,0)' },
}

function typeOf(dataType: string, serverType: string, precision: number, scale: number): ColumnType {
  if (dataType === 'decimal') return precision <= 38 ? `decimal(${precision},${scale})` : 'text'
  if (dataType === 'bit' && /\(1\)/.test(serverType)) return 'boolean'
  return (/unsigned/.test(serverType) ? unsignedTypes[dataType] : undefined) ?? simpleTypes[dataType] ?? 'text'
}
