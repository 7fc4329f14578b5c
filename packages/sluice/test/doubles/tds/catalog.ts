/** The catalog procedures of a server, answering for declared procedures; a double without them says that they do not exist. */
import type { ReceivedCall } from './requests.ts'
import { error, resultSet, type Script } from './script.ts'
import { types as t } from './types.ts'

/** A procedure, as the catalog knows it. */
export interface DescribedProcedure {
  readonly parameters: readonly {
    readonly name: string
    /** Without its size: `nvarchar`. */
    readonly type: string
    /** Digits or characters; 0 for max. */
    readonly precision: number
    readonly scale?: number
    readonly output?: boolean
  }[]
  /** The first result set as name, type and whether it may be NULL; or the number of the error that the server raises instead. */
  readonly result: readonly (readonly [name: string, type: string, nullable: boolean])[] | number
}

/** LIKE, of which only `_` and `%` are known: a pattern in brackets is one of Babelfish's differences. */
const isLike = (pattern: string | undefined, name: string) => {
  const escaped = (pattern ?? '%').replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('_', '.').replaceAll('%', '.*')}$`, 'i').test(name)
}

/** The value of a parameter by its name. */
const sentValue = (call: ReceivedCall, name: string): string | undefined =>
  call.parameters.find((parameter) => parameter.name === `@${name}`)?.value ?? undefined

/**
 * `sp_stored_procedures`, `sp_sproc_columns` and `sp_describe_first_result_set`.
 *
 * @example startTdsServer({ procedures: { ...catalog({ 'dbo.usp_x': { parameters: [], result: 11526 } }), 'dbo.usp_x': … } })
 */
export function catalog(described: { readonly [name: string]: DescribedProcedure }): {
  readonly [name: string]: (call: ReceivedCall) => Script
} {
  const all = Object.entries(described).map(([name, procedure]) => {
    const [schema = '', bare = ''] = name.split('.')
    return { schema, bare, ...procedure }
  })
  const text = t.nvarchar(128)
  return {
    sp_stored_procedures: (call) =>
      resultSet(
        [
          ['PROCEDURE_QUALIFIER', text],
          ['PROCEDURE_OWNER', text],
          ['PROCEDURE_NAME', text],
        ],
        [
          ...all
            .filter(
              ({ bare, schema }) =>
                isLike(sentValue(call, 'sp_name'), bare) && isLike(sentValue(call, 'sp_owner'), schema),
            )
            .map(({ bare, schema }) => ['erp', schema, `${bare};1`]),
          ['erp', 'sys', 'sp_executesql;0'],
        ],
      ),
    sp_sproc_columns: (call) => {
      const found = all.filter(
        ({ bare, schema }) =>
          isLike(sentValue(call, 'procedure_name'), bare) && isLike(sentValue(call, 'procedure_owner'), schema),
      )
      const columns = [
        ['PROCEDURE_OWNER', text],
        ['PROCEDURE_NAME', text],
        ['COLUMN_NAME', text],
        ['COLUMN_TYPE', t.smallint],
        ['TYPE_NAME', text],
        ['PRECISION', t.int],
        ['SCALE', t.smallint],
      ] as const
      return resultSet(
        columns,
        found.flatMap(({ schema, bare, parameters }) => [
          [schema, `${bare};1`, '@RETURN_VALUE', '5', 'int', '10', '0'],
          ...parameters.map((p) => [
            schema,
            `${bare};1`,
            `@${p.name}`,
            p.output === true ? '2' : '1',
            p.type,
            String(p.precision),
            p.scale === undefined ? null : String(p.scale),
          ]),
        ]),
      )
    },
    sp_describe_first_result_set: (call) => {
      const tsql = sentValue(call, 'tsql') ?? ''
      const procedure = all.find(({ schema, bare }) => tsql.startsWith(`EXEC ${schema}.${bare}`))
      if (typeof procedure?.result === 'number')
        return [error(procedure.result, 'The metadata could not be determined.')]
      return resultSet(
        [
          ['is_hidden', t.bit],
          ['column_ordinal', t.int],
          ['name', text],
          ['is_nullable', t.bit],
          ['system_type_name', text],
        ],
        (procedure?.result ?? []).map(([name, type, nullable], i) => [
          'false',
          String(i + 1),
          name,
          String(nullable),
          type,
        ]),
      )
    },
  }
}
