/**
 * Functions and procedures as the catalog has them, and the statement that calls one.
 *
 * The statement is made of names that the catalog returned, each quoted, and of numbered placeholders. Values are bound, with the parameter's own type
 * from the catalog, so that no overload is guessed and no value passes through another type.
 */
import type pg from 'pg'
import { sluiceError } from '../../base/errors.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import type { ConnectionSettings, ProcedureCall } from '../connection.ts'
import { unsendable } from './names.ts'
import { runStatement, type Statement } from './portal.ts'
import { boundText } from './types.ts'

/** An argument, in the catalog's order. */
export interface Argument {
  readonly name: string
  /** In, out, both, variadic, or a column of RETURNS TABLE: `pg_proc.proargmodes`. */
  readonly mode: 'i' | 'o' | 'b' | 'v' | 't'
  readonly oid: number
  readonly serverType: string
  readonly hasDefault: boolean
}

/** A function or a procedure. */
export interface Routine {
  readonly schema: string
  readonly name: string
  readonly kind: 'function' | 'procedure'
  readonly returnsSet: boolean
  readonly returns: string
  readonly arguments: readonly Argument[]
}

/** Longest value, in bytes: the server's own limit for one field. */
const maxValueBytes = 1_073_741_823
// With NULL in place of -1, `bpchar` would be spelled `character`, which as a cast means one character.
const argumentsSql = `SELECT json_agg(json_build_object(
    'name', coalesce(p.proargnames[a.i], ''),
    'mode', coalesce(p.proargmodes[a.i]::text, 'i'),
    'oid', a.type::int8,
    'serverType', format_type(a.type, -1),
    'hasDefault', coalesce(p.proargmodes[a.i]::text, 'i') IN ('i', 'b', 'v') AND (
      SELECT count(*) FROM generate_series(1, a.i) AS b(i) WHERE coalesce(p.proargmodes[b.i]::text, 'i') IN ('i', 'b', 'v')
    ) > p.pronargs - p.pronargdefaults
  ) ORDER BY a.i)
  FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY AS a(type, i)`

const routinesSql = `SELECT n.nspname, p.proname, p.prokind, p.proretset, format_type(p.prorettype, -1), (${argumentsSql})
FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.prokind IN ('f', 'p')`

const callable = ` AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
  AND p.prorettype NOT IN (SELECT oid FROM pg_catalog.pg_type WHERE typname IN ('trigger', 'event_trigger'))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
  AND has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')`

const order = ' ORDER BY n.nspname, p.proname, p.oid'

/**
 * What a name stands for, as the catalog says: every overload, whether this role may call it or not.
 *
 * @example await findRoutines(client, ['erp', 'usp_customers'])
 */
export async function findRoutines(client: pg.Client, name: readonly string[]): Promise<readonly Routine[]> {
  return routines(client, named(name), name)
}

/**
 * Every routine outside of the system's schemas and of extensions that this role may call.
 *
 * @param name only those that it stands for
 * @example await callableRoutines(client)
 */
export async function callableRoutines(client: pg.Client, name: readonly string[] = []): Promise<readonly Routine[]> {
  return routines(client, callable + named(name), name)
}

const named = (name: readonly string[]): string =>
  ['', ' AND p.proname = $1 AND pg_function_is_visible(p.oid)', ' AND p.proname = $1 AND n.nspname = $2'][
    name.length
  ] as string

async function routines(client: pg.Client, where: string, name: readonly string[]): Promise<readonly Routine[]> {
  const text = routinesSql + where + order
  const { rows } = await runStatement(client, { text, types: name.map(() => 25), values: [...name].reverse() })
  return rows.map(([schema, name, kind, returnsSet, returns, args]) => ({
    schema: schema as string,
    name: name as string,
    kind: kind === 'p' ? 'procedure' : 'function',
    returnsSet: returnsSet === 't',
    returns: returns as string,
    arguments: JSON.parse(args ?? '[]') as Argument[],
  }))
}

const isInput = ({ mode }: Argument): boolean => mode === 'i' || mode === 'b' || mode === 'v'

/**
 * The one overload that takes the call's parameters.
 *
 * @throws Connection.NoProcedure
 */
export function chooseRoutine(
  found: readonly Routine[],
  call: ProcedureCall,
  settings: Pick<ConnectionSettings, 'name'>,
): Routine {
  const refuse = (why: string) =>
    sluiceError('Connection.NoProcedure', { connection: settings.name, procedure: call.procedure, why })
  if (found.length === 0) throw refuse('the catalog has no function or procedure of this name; case counts')
  const fitting = found.filter((routine) => misfit(routine, call) === undefined)
  if (fitting.length === 1) return fitting[0] as Routine
  if (fitting.length > 1) throw refuse(`${fitting.length} overloads take them, and nothing tells them apart`)
  throw refuse(found.map((routine) => misfit(routine, call)).join('; '))
}

/** Why a routine does not take a call; undefined where it does. */
function misfit(routine: Routine, call: ProcedureCall): string | undefined {
  const inputs = routine.arguments.filter(isInput)
  if (isPositional(routine)) {
    const least = inputs.filter(({ hasDefault }) => !hasDefault).length
    const given = call.parameters.length
    if (given >= least && given <= inputs.length) return undefined
    return `it takes ${least === inputs.length ? least : `${least} to ${inputs.length}`} parameters by place, and ${given} are given`
  }
  const names = new Set(inputs.map(({ name }) => name))
  const extra = call.parameters.find(({ name }) => !names.has(name))
  if (extra) return `it has no input parameter "${extra.name}"`
  const given = new Set(call.parameters.map(({ name }) => name))
  // INOUT parameters of a procedure are often there for the output alone.
  const missing = inputs.find(({ name, hasDefault, mode }) => mode !== 'b' && !hasDefault && !given.has(name))
  if (missing) return `its parameter "${missing.name}" is not given`
  const outputs = new Set(routine.arguments.filter(({ mode }) => mode === 'o' || mode === 'b').map(({ name }) => name))
  const output = call.output.find(({ name }) => !outputs.has(name))
  return output ? `it has no output parameter "${output.name}"` : undefined
}

/** Whether a routine's inputs have no names, so that only their places count. */
function isPositional(routine: Routine): boolean {
  return routine.arguments.some((argument) => isInput(argument) && argument.name === '')
}

/** An argument with the value to bind; or without one, where it is there for the output alone. */
export interface Bound {
  readonly argument: Argument
  readonly value: string | null
}

/**
 * The arguments that are written in the call, in the catalog's order. Defaults are left to the server.
 *
 * @throws Connection.ValueTooLong, Connection.ValueInvalid
 */
export function bindArguments(routine: Routine, call: ProcedureCall): readonly Bound[] {
  const positional = isPositional(routine)
  let place = 0
  return routine.arguments.flatMap((argument): Bound[] => {
    if (!isInput(argument))
      return argument.mode === 'o' && routine.kind === 'procedure' ? [{ argument, value: null }] : []
    const given = positional ? call.parameters[place++] : call.parameters.find(({ name }) => name === argument.name)
    if (given) {
      checkValue(given.name, given.value, given.type)
      return [{ argument, value: boundText(given.value, argument.serverType) }]
    }
    return argument.mode === 'b' && !argument.hasDefault ? [{ argument, value: null }] : []
  })
}

function checkValue(parameter: string, value: string | null, type: string): void {
  if (value === null) return
  if (unsendable.test(value))
    throw sluiceError('Connection.ValueInvalid', { parameter, type, why: 'it has a NUL, or half of a surrogate pair' })
  if (Buffer.byteLength(value) > maxValueBytes)
    throw sluiceError('Connection.ValueTooLong', { parameter, length: value.length, limit: maxValueBytes })
}

/**
 * `"schema"."name"("a" => …, "b" => …)`, with each argument's expression made by `write`.
 *
 * @example callSql(routine, bound, (_, place) => `$${place}`)
 */
export function callSql(
  routine: Routine,
  bound: readonly Bound[],
  write: (bound: Bound, place: number) => string,
): string {
  const args = bound.map((each, index) => {
    const { name, mode } = each.argument
    const named = isPositional(routine) || name === '' ? '' : `${quoteIdentifier(name)} => `
    return `${mode === 'v' ? 'VARIADIC ' : ''}${named}${write(each, index + 1)}`
  })
  return `${quoteIdentifier(routine.schema)}.${quoteIdentifier(routine.name)}(${args.join(', ')})`
}

/**
 * The statement that calls a routine, with its values beside it.
 *
 * @example callStatement(routine, bound).text // 'SELECT * FROM "erp"."usp_customers"("since" => $1)'
 */
export function callStatement(routine: Routine, bound: readonly Bound[]): Statement {
  const call = callSql(routine, bound, (_, place) => `$${place}`)
  return {
    text: routine.kind === 'procedure' ? `CALL ${call}` : `SELECT * FROM ${call}`,
    // The server infers a polymorphic parameter from nothing; as text it is at least exact.
    types: bound.map(({ argument }) => (/^any/.test(argument.serverType) ? 25 : argument.oid)),
    values: bound.map(({ value }) => value),
  }
}
