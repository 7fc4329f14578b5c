/** 2xxx: SQL models, lineage, the plan. */
import { entry } from './entry.ts'

/** A list of names for a message, cut where it gets long. */
const names = (all: readonly string[]): string =>
  all.length <= 12 ? all.join(', ') : `${all.slice(0, 12).join(', ')} and ${all.length - 12} more`

/** Errors of SQL models: 20xx. */
const modelErrors = {
  'Sql.Syntax': entry<{ detail: string }>({
    code: 'SLU2001',
    title: 'The SQL cannot be read.',
    message: ({ detail }) => `The SQL cannot be read: ${detail}`,
    retry: 'terminal',
    exit: 2,
  }),
  'Sql.NotOneSelect': entry<{ found: string }>({
    code: 'SLU2002',
    title: 'A model is not one SELECT.',
    message: ({ found }) => `A model is exactly one SELECT, but this one ${found}.`,
    hint: () =>
      'Keep the query alone: the table it fills is named by the place of the file, and Sluice does the writing.',
    retry: 'terminal',
    exit: 2,
    explanation:
      'A model says what a table contains, never how it is written. CREATE, INSERT, COPY, ATTACH, INSTALL, PRAGMA and SET have no place in it: the plan must know everything that a model reads and writes.',
  }),
  'Sql.UnknownTable': entry<{ table: string; known: readonly string[] }>({
    code: 'SLU2003',
    title: 'A model reads a table that does not exist.',
    message: ({ table, known }) =>
      `Table "${table}" does not exist.${known.length > 0 ? ` Tables: ${names(known)}.` : ''}`,
    hint: () => 'Tables are named <layer>.<table>; a source of this pipeline is a table of its first layer.',
    retry: 'terminal',
    exit: 2,
  }),
  'Sql.UnknownColumn': entry<{ column: string; where?: string; known: readonly string[] }>({
    code: 'SLU2004',
    title: 'A model reads a column that does not exist.',
    message: ({ column, where, known }) =>
      `Column "${column}" does not exist${where === undefined ? '' : ` in ${where}`}.${known.length > 0 ? ` Columns: ${names(known)}.` : ''}`,
    retry: 'terminal',
    exit: 2,
  }),
  'Sql.AmbiguousColumn': entry<{ column: string; tables: readonly string[] }>({
    code: 'SLU2005',
    title: 'A column could come from several tables.',
    message: ({ column, tables }) => `Column "${column}" is ambiguous: ${tables.join(' and ')} have one each.`,
    hint: ({ column, tables }) => `Say which is meant: ${tables[0]}.${column}`,
    retry: 'terminal',
    exit: 2,
  }),
  'Sql.DuplicateColumn': entry<{ column: string }>({
    code: 'SLU2006',
    title: 'Two columns of a model have the same name.',
    message: ({ column }) => `The model has two columns named "${column}"; a table has each name once.`,
    hint: ({ column }) => `Rename one with AS, or leave it out of a star: * EXCLUDE (${column})`,
    retry: 'terminal',
    exit: 2,
    explanation: 'Names are compared without regard to case, as DuckDB, PostgreSQL, Redshift and Spark do.',
  }),
  'Sql.UnnamedColumn': entry<{ position: number }>({
    code: 'SLU2007',
    title: 'A column of a model has no name.',
    message: ({ position }) => `Column ${position} of the model is an expression without a name.`,
    hint: () => 'Give it one: <expression> AS <name>',
    retry: 'terminal',
    exit: 2,
    explanation:
      'Each engine makes up a different name for an unnamed expression, so the table would change with the engine.',
  }),
  'Sql.ReadsOutside': entry<{ what: string }>({
    code: 'SLU2008',
    title: 'A model reads something that is not a table version.',
    message: ({ what }) => `The model reads ${what}; a model reads versions of tables only.`,
    hint: () => 'Declare the files as a source, then read its table: from <layer>.<source>',
    retry: 'terminal',
    exit: 2,
    explanation:
      'What a task reads is part of its key. A file, a glob or a system table read past the plan would change the result without anyone knowing. Table functions that compute from their arguments are allowed: unnest, range, generate_series, repeat, json_each, json_tree.',
  }),
  'Sql.Template': entry<{ found: string }>({
    code: 'SLU2009',
    title: 'A model contains template syntax.',
    message: ({ found }) => `"${found}" is template syntax, and a model is plain SQL.`,
    hint: () => 'Name the table itself, as in: from raw.sales. Dependencies are found by reading the SQL.',
    retry: 'terminal',
    exit: 2,
  }),
  'Sql.LineageUnknown': entry<{ table: string; why: string }>({
    code: 'SLU2010',
    title: 'The lineage of a model is not known.',
    message: ({ table, why }) => `Column lineage is unknown for ${table}: ${why}.`,
    hint: () => 'The model still runs, and the tables it reads are known; DuckDB itself checks its columns.',
    retry: 'terminal',
    exit: 2,
  }),
  'Sql.Nondeterministic': entry<{ what: string; why: string }>({
    code: 'SLU2011',
    title: 'A model may give different results for the same inputs.',
    message: ({ what, why }) => `${what} makes the result depend on more than the inputs: ${why}.`,
    hint: () =>
      'Unchanged inputs are not run again, so the result of the first run stays; make it a function of its inputs if that is not wanted.',
    retry: 'terminal',
    exit: 2,
    explanation: 'WH-16.',
  }),
  'Sql.Rejected': entry<{ detail: string }>({
    code: 'SLU2013',
    title: 'DuckDB refuses a model.',
    message: ({ detail }) => `DuckDB refuses the model: ${detail}`,
    hint: () => 'Nothing was run. The model was tried on empty tables with the columns it would read.',
    retry: 'terminal',
    exit: 2,
  }),
  'Sql.CodeModel': entry<{ table: string; detail: string }>({
    code: 'SLU2014',
    title: 'The columns of a code model are not known before it runs.',
    message: ({ table, detail }) => `The columns of ${table} are not known before it runs: ${detail}`,
    hint: () =>
      "Declare them, as in: { kind: 'code', inputs, columns, make }. Models that read this table cannot be checked until then.",
    retry: 'terminal',
    exit: 2,
  }),
  'Sql.Transform': entry<{ table: string; column: string; detail: string }>({
    code: 'SLU2015',
    title: 'A transform cannot be used.',
    message: ({ table, column, detail }) =>
      `The transform that makes "${column}" of ${table} cannot be used: ${detail}.`,
    hint: () => 'A transform is one SQL expression over the columns of its own row. Correct it, then run: sluice check',
    retry: 'terminal',
    exit: 2,
    explanation:
      'A table of changes is made of the changes that came since, and has to be what all of them together would make: what a row becomes may depend on nothing but the row.',
  }),
  'Sql.RowCheck': entry<{ table: string; check: string; detail: string }>({
    code: 'SLU2016',
    title: 'A check of rows cannot be judged.',
    message: ({ table, check, detail }) => `The check ${check} of ${table} cannot be judged: ${detail}.`,
    hint: () =>
      'Rows of changes are judged by the columns that the table declares and makes. Of what a history has beside them, such as _op, a check can only warn: severity warn. Then: sluice check',
    retry: 'terminal',
    exit: 2,
    explanation:
      'A refused change is kept apart before it is a row of the table. Only what the change itself says is known of it then.',
  }),
  'Sql.CheckUnfit': entry<{ table: string; check: string; detail: string }>({
    code: 'SLU2017',
    title: 'A check cannot run.',
    message: ({ table, check, detail }) => `The check ${check} of ${table} cannot run: ${detail}.`,
    hint: () =>
      'Nothing was run. The check was tried on an empty table with the columns that it would judge. Correct it, then run: sluice check',
    retry: 'terminal',
    exit: 2,
    explanation:
      'Every check is parsed, bound to the columns of its table and tried before a run: its SQL is one expression that reads its own table alone; its regular expressions are those of RE2, which has neither look-around nor back-references; its bounds and listed values are values of its column, digit for digit.',
  }),
  'Sql.SeveralStatements': entry<{ what: string }>({
    code: 'SLU2018',
    title: 'A model is more than one statement to the engine.',
    message: ({ what }) => `${what} is several statements to DuckDB, so that its rows cannot be written as one table.`,
    hint: () =>
      "Name the values that become columns: PIVOT raw.sales ON country IN ('DE', 'FR') USING sum(amount). The columns of a table are then known before it is made.",
    retry: 'terminal',
    exit: 2,
    explanation:
      'A PIVOT without IN first asks which values there are, and then makes a column of each: the columns would change with the data, and so would everything that reads the table.',
  }),
  'Sql.NotChecked': entry<{ tables: readonly string[]; because: string }>({
    code: 'SLU2019',
    title: 'What reads a broken table is not checked further.',
    message: ({ tables, because }) =>
      `${tables.join(', ')} ${tables.length === 1 ? 'is' : 'are'} not checked further: the columns of ${because} are not known, because of the problems reported for it.`,
    hint: () => 'Correct those first, then run: sluice check',
    retry: 'terminal',
    exit: 2,
  }),
  'Sql.NotPortable': entry<{ construct: string; target: string }>({
    code: 'SLU2012',
    title: 'A model uses SQL that is not known to mean the same on a target.',
    message: ({ construct, target }) =>
      `${construct} is not on the list of what means the same on DuckDB and ${target}, so the model is not translated.`,
    hint: ({ target }) => `Give the model its own SQL for ${target}, or write it with constructs that both have.`,
    retry: 'terminal',
    exit: 2,
    explanation:
      'Translators drop or keep constructs in silence. Sluice translates what is on its list of constructs and functions, and refuses the rest by name.',
  }),
}

/** Errors of SQL and of the plan. */
export const sqlErrors = {
  ...modelErrors,
  'Plan.Cycle': entry<{ cycle: readonly string[] }>({
    code: 'SLU2101',
    title: 'Models read each other in a circle.',
    message: ({ cycle }) => `These tables are made from each other: ${[...cycle, cycle[0]].join(' <- ')}.`,
    hint: () => 'Take the part that two of them share into a model of its own, and let both read that.',
    retry: 'terminal',
    exit: 2,
  }),
  'Plan.LaterLayer': entry<{ table: string; layer: string; reads: string; order: readonly string[] }>({
    code: 'SLU2102',
    title: 'A table reads a later layer.',
    message: ({ table, layer, reads, order }) =>
      `"${table}" is in layer "${layer}" and reads "${reads}", which is made later. Layers in order: ${order.join(', ')}.`,
    hint: () => 'Move the model to a later layer, or its input to an earlier one.',
    retry: 'terminal',
    exit: 2,
  }),
  'Plan.LayerOrder': entry<{ layers: readonly string[] }>({
    code: 'SLU2103',
    title: 'Pipelines order their layers in opposite ways.',
    message: ({ layers }) =>
      `Pipelines of this project put the layers ${layers.join(', ')} in opposite orders, so that no run could go through them.`,
    hint: () => 'Give the layers one order in all pipelines, or other names in one of them.',
    retry: 'terminal',
    exit: 2,
  }),
  'Plan.UnknownColumn': entry<{ column: string; table: string; used: string; known: readonly string[] }>({
    code: 'SLU2104',
    title: 'A column does not exist.',
    message: ({ column, table, used, known }) =>
      `Column "${column}" does not exist in ${table}; ${used} names it. Columns: ${known.join(', ')}.`,
    hint: () => 'Correct the name, then run: sluice check',
    retry: 'terminal',
    exit: 2,
  }),
  'Plan.UnknownSelector': entry<{ selector: string }>({
    code: 'SLU2105',
    title: 'A selector names nothing.',
    message: ({ selector }) => `Nothing in this project is called "${selector}".`,
    hint: () =>
      'A selector is a table, a load, pipeline:<name>, layer:<name> or <pipeline>:<table>, with * and + as in: +fact_sales',
    retry: 'terminal',
    exit: 2,
  }),
  'Plan.NeedsApproval': entry<{ table: string; changes: readonly string[]; waiting: readonly string[] }>({
    code: 'SLU2106',
    title: 'A change of schema can lose data, and nobody has approved it.',
    message: ({ table, changes, waiting }) =>
      `The schema of ${table} would change in a way that can lose data: ${changes.join('; ')}.${waiting.length > 0 ? ` With it wait ${waiting.join(', ')}.` : ''}`,
    hint: ({ table }) =>
      `The committed version is still current, and other tables go on. If the change is meant, run: sluice run --approve ${table}`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Fault SR-05: additive and widening changes flow; anything else stops its table until a person has said yes.',
  }),
  'StateMachine.LimitExceeded': entry<{ what: string; found: number; limit: number; unit: string }>({
    code: 'SLU2107',
    title: 'A state machine would pass a limit of AWS Step Functions.',
    message: ({ what, found, limit, unit }) => `${what} is ${found} ${unit}; AWS Step Functions allows ${limit}.`,
    hint: () => 'Divide the project, or shorten what is named. Nothing was run or deployed.',
    retry: 'terminal',
    exit: 2,
  }),
}
