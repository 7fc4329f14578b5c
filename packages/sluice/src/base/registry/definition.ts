/** 1xxx: the project and its definitions. */
import { entry } from './entry.ts'

const list = (names: readonly string[]): string => names.join(', ')

/** Errors of projects and definitions. */
export const definitionErrors = {
  'Definition.Invalid': entry<{ count: number }>({
    code: 'SLU1001',
    title: 'The definition has problems.',
    message: ({ count }) => `The definition has ${count} problem${count === 1 ? '' : 's'}; nothing was run.`,
    hint: () => 'Fix what is listed above, then run: sluice check',
    retry: 'terminal',
    exit: 2,
    explanation:
      'Fault CT-07: every problem is reported at once, and nothing takes a default in place of a wrong value.',
  }),
  'Definition.UnknownTable': entry<{ table: string; known?: readonly string[] }>({
    code: 'SLU1002',
    title: 'A table does not exist.',
    message: ({ table, known }) =>
      `Table "${table}" does not exist.${known && known.length > 0 ? ` Tables: ${known.join(', ')}.` : ''}`,
    retry: 'terminal',
    exit: 2,
  }),
  'Definition.NoProject': entry<{ root: string }>({
    code: 'SLU1003',
    title: 'There is no project here.',
    message: ({ root }) => `"${root}" has no sluice.config (.ts, .mts, .js, .mjs, .json, .yaml, .yml).`,
    hint: () => 'Make a project with: sluice init — or name its folder with: sluice -C <folder>',
    retry: 'terminal',
    exit: 2,
  }),
  'Definition.UnknownKey': entry<{ key: string; where: string; known: readonly string[] }>({
    code: 'SLU1004',
    title: 'A key is not known.',
    message: ({ key, where, known }) =>
      `${where} has a key "${key}" that Sluice does not know.${known.length > 0 ? ` Allowed: ${list(known)}.` : ''}`,
    retry: 'terminal',
    exit: 2,
    explanation:
      'Fault CT-07. Unknown keys are refused, because a misspelt option that is ignored is a silent default.',
  }),
  'Definition.WrongValue': entry<{ where: string; expected: string; found: string }>({
    code: 'SLU1005',
    title: 'A value is not allowed.',
    message: ({ where, expected, found }) => `${where} must be ${expected}, not ${found}.`,
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault CT-07.',
  }),
  'Definition.MissingKey': entry<{ where: string; key: string; expected: string }>({
    code: 'SLU1006',
    title: 'A required key is missing.',
    message: ({ where, key, expected }) => `${where} needs a "${key}": ${expected}.`,
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault CT-07.',
  }),
  'Definition.UnknownColumn': entry<{ column: string; table: string; known: readonly string[] }>({
    code: 'SLU1007',
    title: 'A column does not exist.',
    message: ({ column, table, known }) => `Table "${table}" has no column "${column}". Columns: ${list(known)}.`,
    retry: 'terminal',
    exit: 2,
  }),
  'Definition.DuplicateTable': entry<{ table: string; first: string; second: string }>({
    code: 'SLU1008',
    title: 'A name is taken twice.',
    message: ({ table, first, second }) => `"${table}" is made twice: by ${first} and by ${second}.`,
    hint: () => "A table's full name is unique in a project; rename one of them.",
    retry: 'terminal',
    exit: 2,
  }),
  'Definition.Layers': entry<{ why: string }>({
    code: 'SLU1009',
    title: 'The layers are not usable.',
    message: ({ why }) => `The layers cannot be used: ${why}.`,
    retry: 'terminal',
    exit: 2,
  }),
  'Definition.UnknownLayer': entry<{ layer: string; known: readonly string[] }>({
    code: 'SLU1010',
    title: 'A folder of models is no layer.',
    message: ({ layer, known }) => `"${layer}" is not a layer of its pipeline. Layers: ${list(known)}.`,
    hint: () => "A model's folder is its layer: rename the folder, or declare the layer in the pipeline.",
    retry: 'terminal',
    exit: 2,
  }),
  'Definition.FolderLoop': entry<{ folder: string; purpose: string; path: string; source: string }>({
    code: 'SLU1011',
    title: 'An output lies where an input is looked for.',
    message: ({ folder, purpose, path, source }) =>
      `The ${purpose} "${folder}" lies inside "${path}", where source "${source}" looks for files: what is put there would be taken in again.`,
    hint: () => 'Move it beside the inbox.',
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault AW-12: an output below an input path makes a loop that never ends.',
  }),
  'Definition.PatternOverlap': entry<{ first: string; second: string; path: string; other: string }>({
    code: 'SLU1012',
    title: 'Two sources look for the same files.',
    message: ({ first, second, path, other }) =>
      `Sources "${first}" (${path}) and "${second}" (${other}) can match the same file; it would be taken by whichever comes first.`,
    hint: () => 'Give each source a folder or a file name of its own.',
    retry: 'terminal',
    exit: 2,
  }),
  'Definition.PlaintextSecret': entry<{ where: string }>({
    code: 'SLU1013',
    title: 'A secret is written out.',
    message: ({ where }) => `${where} holds a secret in plain text; a definition may only refer to it.`,
    hint: () => "Write secret('NAME'), put the value into the environment or .env.local, and change the secret itself.",
    retry: 'terminal',
    exit: 2,
    explanation:
      'A definition is committed, printed and hashed; a secret in it has left its keeper. The value is never shown.',
  }),
  'Definition.SecretMissing': entry<{ names: readonly string[]; environment?: string }>({
    code: 'SLU1014',
    title: 'A secret or variable has no value.',
    message: ({ names, environment: name }) =>
      `${names.length === 1 ? 'A value is' : `${names.length} values are`} missing: ${list(names)}. Looked in the environment, ${name === undefined ? '' : `.env.${name}.local, `}.env.local${name === undefined ? '' : `, .env.${name}`} and .env.`,
    hint: () => 'Set them in the environment or in .env.local, then: sluice check',
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault CT-07: all missing names are reported at once.',
  }),
  'Definition.FileFailed': entry<{ file: string; detail: string }>({
    code: 'SLU1015',
    title: 'A definition file could not be evaluated.',
    message: ({ file, detail }) => `"${file}" could not be evaluated: ${detail}`,
    retry: 'terminal',
    exit: 2,
  }),
  'Definition.FileMisbehaves': entry<{ file: string; what: string }>({
    code: 'SLU1024',
    title: 'A definition file does more than define.',
    message: ({ file, what }) => `"${file}" ${what}.`,
    hint: () =>
      'A definition gives one value, by export default, and is evaluated whenever a command needs it. Take the rest of it elsewhere, then run: sluice check',
    retry: 'terminal',
    exit: 2,
    explanation:
      'What a definition prints goes to the standard error. One that ends the process, has no end, or leaves an error to nobody is stopped and named; what is committed can be looked at all the same.',
  }),
  'Definition.Unreadable': entry<{ file: string; detail: string }>({
    code: 'SLU1016',
    title: 'A definition file cannot be read as what it is.',
    message: ({ file, detail }) => `"${file}" cannot be read: ${detail}.`,
    retry: 'terminal',
    exit: 2,
    explanation:
      'Fault CT-06: duplicate keys, `__proto__`, merge keys, alias bombs, nesting beyond 64 and files beyond 1 MB are refused.',
  }),
  'Definition.AmbiguousFile': entry<{ files: readonly string[] }>({
    code: 'SLU1017',
    title: 'A definition is there twice.',
    message: ({ files }) => `Only one of these can be the definition: ${list(files)}.`,
    hint: () => 'Keep one and remove the others.',
    retry: 'terminal',
    exit: 2,
  }),
  'Definition.UnknownConnection': entry<{ connection: string; known: readonly string[] }>({
    code: 'SLU1019',
    title: 'A connection does not exist.',
    message: ({ connection, known }) =>
      `The configuration has no connection "${connection}".${known.length > 0 ? ` Connections: ${list(known)}.` : ''}`,
    hint: () => 'Declare it in sluice.config, under `connections`.',
    retry: 'terminal',
    exit: 2,
  }),
  'Definition.UnknownEnvironment': entry<{ environment: string; known: readonly string[] }>({
    code: 'SLU1020',
    title: 'An environment does not exist.',
    message: ({ environment, known }) =>
      `The configuration has no environment "${environment}".${known.length > 0 ? ` Environments: ${list(known)}.` : ' It has none.'}`,
    hint: () => 'Declare it in sluice.config, under `environments`; or leave out --env and SLUICE_ENV.',
    retry: 'terminal',
    exit: 2,
  }),
  'Definition.TargetUnavailable': entry<{ environment: string; target: string }>({
    code: 'SLU1021',
    title: 'An environment is for a target that this version does not have.',
    message: ({ environment, target }) =>
      `Environment "${environment}" is for the target "${target}", which this version of Sluice does not have; nothing was done.`,
    hint: () => 'Choose an environment whose target is local.',
    retry: 'terminal',
    exit: 2,
  }),
  'Definition.EnvironmentsMeet': entry<{ first: string; second: string; why: string }>({
    code: 'SLU1022',
    title: "Two environments are in each other's way.",
    message: ({ first, second, why }) => `${first} and environment "${second}" ${why}.`,
    hint: () => 'Give the environment a lake and a warehouse of its own, or leave it the lake of the project.',
    retry: 'terminal',
    exit: 2,
    explanation:
      'Runs know of each other by what is kept for one lake. Over one lake, an environment shares that with the project; over another, it shares nothing.',
  }),
  'Definition.UnknownParameter': entry<{ parameter: string; where: string; known: readonly string[] }>({
    code: 'SLU1023',
    title: 'A parameter is not declared.',
    message: ({ parameter, where, known }) =>
      `${where} uses a parameter "${parameter}" that its pipeline does not declare.${known.length > 0 ? ` Parameters: ${list(known)}.` : ''}`,
    hint: () => 'Declare it in the pipeline, under `parameters`.',
    retry: 'terminal',
    exit: 2,
    explanation: 'A variable that nobody sets is NULL to the engine, and a filter by NULL loses every row in silence.',
  }),
  'Definition.NoPipeline': entry<{ folder: string }>({
    code: 'SLU1018',
    title: 'There is no pipeline here.',
    message: ({ folder }) => `"${folder}" has no pipeline (.ts, .mts, .js, .mjs, .json, .yaml, .yml).`,
    hint: () => 'A pipeline is a folder with a pipeline.ts: pipelines/<name>/pipeline.ts',
    retry: 'terminal',
    exit: 2,
  }),
}
