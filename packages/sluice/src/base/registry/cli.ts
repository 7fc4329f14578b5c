/** 11xx: the command line; 49xx: the read path; 9002: what nobody foresaw. */
import { entry } from './entry.ts'

/** Errors of the command line and of reading. */
export const cliErrors = {
  'Cli.UnknownCommand': entry<{ command: string }>({
    code: 'SLU1101',
    title: 'A command does not exist.',
    message: ({ command }) => `There is no command "${command}"; nothing was run.`,
    hint: () => 'sluice --help lists every command',
    retry: 'terminal',
    exit: 2,
  }),
  'Cli.UnknownOption': entry<{ option: string; command: string }>({
    code: 'SLU1102',
    title: 'An option does not exist.',
    message: ({ option, command }) => `"sluice ${command}" has no option ${option}; nothing was run.`,
    hint: ({ command }) => `sluice ${command} --help lists its options`,
    retry: 'terminal',
    exit: 2,
  }),
  'Cli.BadValue': entry<{ option: string; value: string; expected: string }>({
    code: 'SLU1103',
    title: 'An option or argument has a value that it cannot have.',
    message: ({ option, value, expected }) => `${option} cannot be "${value}": ${expected}. Nothing was run.`,
    retry: 'terminal',
    exit: 2,
  }),
  'Cli.MissingArgument': entry<{ argument: string; command: string }>({
    code: 'SLU1104',
    title: 'A command needs an argument that is missing.',
    message: ({ argument, command }) => `"sluice ${command}" needs <${argument}>; nothing was run.`,
    hint: ({ command }) => `sluice ${command} --help shows how it is used`,
    retry: 'terminal',
    exit: 2,
  }),
  'Cli.TooManyArguments': entry<{ argument: string; command: string }>({
    code: 'SLU1105',
    title: 'A command got more arguments than it takes.',
    message: ({ argument, command }) =>
      `"sluice ${command}" does not know what to do with "${argument}"; nothing was run.`,
    hint: ({ command }) => `sluice ${command} --help shows how it is used. Quote SQL, so that it stays one argument.`,
    retry: 'terminal',
    exit: 2,
  }),
  'Cli.NeedsConfirmation': entry<{ what: string; flag: string }>({
    code: 'SLU1106',
    title: 'A command needs a yes, and nobody is there to give it.',
    message: ({ what, flag }) =>
      `${what} needs a confirmation, and there is no terminal to ask on; give ${flag}. Nothing was changed.`,
    retry: 'terminal',
    exit: 2,
  }),
  'Cli.FolderNotEmpty': entry<{ folder: string }>({
    code: 'SLU1107',
    title: 'A new project needs an empty folder.',
    message: ({ folder }) => `"${folder}" has files in it already; nothing was written.`,
    hint: () => 'Name another folder, or add --force: files of the template then replace files of the same name.',
    retry: 'terminal',
    exit: 2,
  }),
  'Cli.System': entry<{ operation: string; path: string; why: string }>({
    code: 'SLU1108',
    title: 'The operating system refused.',
    message: ({ operation, path, why }) =>
      `The system refused ${operation}${path === '' ? '' : ` on "${path}"`}: ${why}.`,
    hint: () => 'Committed versions are unharmed. sluice doctor checks folders, permissions and room on the disk.',
    retry: 'transient',
    exit: 3,
    explanation:
      'Common reasons: no permission (EACCES, EPERM), a full disk or quota (ENOSPC, EDQUOT), a file system that is read-only (EROFS), too many open files (EMFILE).',
  }),
  'Cli.UnknownName': entry<{ what: string; name: string; known: readonly string[] }>({
    code: 'SLU1109',
    title: 'Something that was named does not exist.',
    message: ({ what, name, known }) =>
      `There is no ${what} "${name}".${known.length === 0 ? '' : ` There is: ${known.slice(0, 12).join(', ')}${known.length > 12 ? ', …' : ''}.`}`,
    retry: 'terminal',
    exit: 2,
  }),
  'Source.CannotPropose': entry<{ file: string; why: string }>({
    code: 'SLU1110',
    title: 'No contract can be proposed for a file.',
    message: ({ file, why }) => `"${file}" has no place in a proposal: ${why}`,
    hint: () =>
      'A crawl reads only; the file is where it was. Correct it, or crawl files of one kind by a pattern of their own.',
    retry: 'terminal',
    exit: 1,
  }),
  'Query.NotReadOnly': entry<{ found: string }>({
    code: 'SLU4901',
    title: 'A query may only read tables.',
    message: ({ found }) => `A query is one statement that reads tables, and this has ${found}; nothing was run.`,
    hint: () => 'SELECT, WITH, FROM, VALUES, TABLE, DESCRIBE and SUMMARIZE over the tables of: sluice catalog',
    retry: 'terminal',
    exit: 2,
    explanation:
      'Fault CO-10. The statement is parsed by DuckDB itself; statements that write, attach, install or set anything, several statements at once, and functions that read files are refused. The session is locked beside that: only the lake and the warehouse can be read, and no setting can be changed.',
  }),
  'Query.Failed': entry<{ detail: string }>({
    code: 'SLU4902',
    title: 'A query could not be answered.',
    message: ({ detail }) => `The query could not be answered: ${detail}`,
    hint: () => 'sluice catalog lists tables and columns',
    retry: 'terminal',
    exit: 1,
  }),
  'Query.NothingYet': entry<{ table: string }>({
    code: 'SLU4903',
    title: 'A table has no version yet.',
    message: ({ table }) => `Table "${table}" is defined, but nothing has been put into it yet.`,
    hint: () => 'sluice run',
    retry: 'terminal',
    exit: 1,
  }),
  'Query.UnknownVersion': entry<{ table: string; version: number; known: readonly number[] }>({
    code: 'SLU4904',
    title: 'A table has no such version.',
    message: ({ table, version, known }) =>
      `Table "${table}" has no version ${version}; it keeps ${known.length === 0 ? 'none' : known.join(', ')}.`,
    hint: ({ table }) => `sluice show ${table} --versions`,
    retry: 'terminal',
    exit: 2,
  }),
  'Query.WarehouseTooLarge': entry<{ table: string; megabytes: number }>({
    code: 'SLU4999',
    title: 'A query needs more of a PostgreSQL warehouse than can be brought here.',
    message: ({ table, megabytes }) =>
      `The query reads "${table}" of the PostgreSQL warehouse, whose rows have to be brought here first, and with that it would be more than ${megabytes} MB; nothing was answered.`,
    hint: () => 'Name only the columns that it needs, add LIMIT where a few rows are enough, or ask the server itself.',
    retry: 'terminal',
    exit: 1,
    explanation:
      'A query runs on this machine. Of a PostgreSQL warehouse it brings the columns that it names, and all rows of the tables that it reads; conditions are applied here.',
  }),
  Unexpected: entry<{ detail: string }>({
    code: 'SLU9002',
    title: 'Something happened that Sluice did not foresee.',
    message: ({ detail }) => `Sluice did not foresee this, which is a bug of its own: ${detail}`,
    hint: () => 'Committed versions are unharmed. Please report it, with .sluice/debug.log; --debug prints the stack.',
    retry: 'terminal',
    exit: 70,
  }),
}
