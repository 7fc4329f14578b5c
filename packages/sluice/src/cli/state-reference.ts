/** The page docs/reference/states.md: what a run does, state by state, made from the compiled text. */
import type { Plan, PlanTask } from '../plan/types.ts'
import { compileStateMachines } from '../statemachine/compile.ts'
import type { State, StateMachine, StateMachineDefinition } from '../statemachine/types.ts'

/** A plan of one layer with one task: every kind of state is in its text. */
const task = { id: 'ingest:raw.sales', timeoutSeconds: 3600 } as PlanTask
const plan: Plan = {
  ...{ format: 1, project: 'project', definition: '', tasks: [task] },
  layers: [{ name: 'raw', waves: [[task.id]] }],
}

/**
 * The reference of states, as Markdown.
 *
 * @example writeFileSync('docs/reference/states.md', stateReference())
 */
export function stateReference(): string {
  const [master, layer] = compileStateMachines(plan)
  return [
    '<!-- Made by `npm run reference`; change the code, not this page. -->',
    '# States of a run',
    'All that a run does is in its state machine: the interpreter walks this text here, Step Functions walks it on AWS. A state is given references (the run, its fencing token, a task), never data; what it does is in the ledger and in the tables. `sluice render` prints the whole text of a project.',
    '## The master',
    'One for a project. It starts the run, starts the machine of each layer, one after the other, and ends the run.',
    tableOf(master!.definition),
    '## The machine of a layer',
    'One for each layer; a layer of more than 500 tasks has several. Each wave of tasks is a pair of states, and a `Map` over the states below.',
    tableOf(layer!.definition),
    '## The states of a task',
    tableOf(processorOf(layer!.definition)),
    '## Retry and Catch',
    'An error of the registry after which the same may succeed (`retry: transient` in the [reference of errors](errors.md)) is tried again up to three times in a task, each time after a longer wait; an error of AWS Lambda itself in every call. Whether an error is tried again, and what a failure is to the run, is decided here and in `Settle`, and nowhere else: a task does its work or throws.',
    '',
  ].join('\n\n')
}

/**
 * What a run of these machines does, a line a state of the master: `plan --debug` shows it.
 *
 * @example stateLines(await project.stateMachines(plan))[1] // '  Start: takes the leases of …'
 */
export function stateLines([master]: readonly StateMachine[]): readonly string[] {
  const states = Object.entries(master?.definition.States ?? {})
  return [
    'States',
    ...states.flatMap(([name, { Comment }]) => (Comment === undefined ? [] : [`  ${name}: ${Comment}`])),
  ]
}

function processorOf({ States }: StateMachineDefinition): StateMachineDefinition {
  const [map] = Object.values(States).flatMap((state) => (state.Type === 'Map' ? [state.ItemProcessor] : []))
  return map!
}

function tableOf({ StartAt, States }: StateMachineDefinition): string {
  const rows = Object.entries(States).map(([name, state]) => [
    name === StartAt ? `**${name}**` : name,
    kindOf(state),
    state.Comment ?? '',
    nextOf(state),
    'Catch' in state ? state.Catch!.map(({ Next }) => Next).join(', ') : '',
  ])
  const head = ['state', 'type', 'what it does', 'next', 'on error']
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

function kindOf(state: State): string {
  if (state.Type !== 'Task') return state.Type
  return state.Resource.includes('sns:')
    ? 'Task, topic'
    : state.Resource.includes('states:start')
      ? 'Task, machine'
      : 'Task'
}

function nextOf(state: State): string {
  if (state.Type === 'Choice')
    return [
      ...state.Choices.map(({ StringEquals, Next }) => `${StringEquals}: ${Next}`),
      `else: ${state.Default}`,
    ].join('; ')
  return 'Next' in state ? state.Next : 'end'
}
