// The same benchmarks on this build and on that of another commit, in turn: round by round, the order changing, one build at work at a time.
import { execFileSync, fork } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ratioText } from './measure.mjs'

const root = fileURLToPath(new URL('../../../', import.meta.url))
/** Of both sides the benchmarks are their own, because they import what is inside of a build; how they are measured is the same. */
const harness = ['main.mjs', 'measure.mjs', 'child.mjs', 'cpu.cjs']

const git = (...args) =>
  execFileSync('git', ['-C', root, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

/** Those at work. */
const sides = new Set()

/** A built worktree of a commit; `remove` takes it away. */
function buildOf(commit) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-against-'))
  const tree = join(folder, 'sluice')
  const remove = () => {
    git('worktree', 'remove', '--force', tree)
    rmSync(folder, { recursive: true, force: true })
  }
  git('worktree', 'add', '--quiet', '--detach', tree, commit)
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => {
      for (const { end } of sides) end()
      remove()
      process.exit(1)
    })
  try {
    const lock = (of) => readFileSync(join(of, 'package-lock.json'), 'utf8')
    const npm = (...args) => execFileSync('npm', args, { cwd: tree, stdio: ['ignore', 'ignore', 'inherit'] })
    if (lock(root) === lock(tree)) linkModules(tree)
    else npm('ci', '--silent')
    npm('run', '-s', 'build')
    for (const file of harness) copyFileSync(new URL(file, import.meta.url), join(tree, 'packages/sluice/bench', file))
  } catch (error) {
    remove()
    throw error
  }
  return { tree, remove }
}

/** What is installed here, linked; save for the workspace itself, whose links must lead to that commit. */
function linkModules(tree) {
  const [from, to] = [join(root, 'node_modules'), join(tree, 'node_modules')]
  mkdirSync(to)
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const isWorkspace = entry.isSymbolicLink()
    if (!isWorkspace && entry.name !== '.cache') symlinkSync(join(from, entry.name), join(to, entry.name))
  }
  symlinkSync('../packages/sluice', join(to, 'sluice'))
  for (const name of readdirSync(join(tree, 'examples')))
    symlinkSync(`../examples/${name}`, join(to, `example-${name}`))
}

/** One side of a benchmark: a process that measures when it is told to. */
function sideOf(tree, args) {
  const env = { ...process.env, SLUICE_BENCH_TURNS: '1' }
  const running = fork(join(tree, 'packages/sluice/bench/main.mjs'), args, {
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const side = { reports: [], said: '', isAtEnd: false, end: () => running.kill() }
  sides.add(side)
  let wake = () => undefined
  for (const stream of [running.stdout, running.stderr]) stream.on('data', (data) => (side.said += data))
  running.on('message', ({ isReady, report }) => {
    if (report !== undefined) side.reports.push(report)
    if (isReady) wake()
  })
  running.on('close', (code) => {
    side.isAtEnd = true
    sides.delete(side)
    side.code = code
    wake()
  })
  const paused = () => (side.isAtEnd ? Promise.resolve() : new Promise((resolve) => (wake = resolve)))
  /** Until it waits for its first turn. */
  side.begin = paused
  /** One round, and all that is done until it waits for the next. */
  side.turn = () => {
    if (side.isAtEnd) return Promise.resolve()
    const next = paused()
    running.send('go')
    return next
  }
  return side
}

/** Runs each benchmark on both builds, and prints the ratios of CPU time: ours to theirs. */
export async function runAgainst(commit, names, { quick, count }) {
  const { tree, remove } = buildOf(commit)
  let failed = false
  try {
    process.stdout.write(
      `CPU of this build to that of ${git('rev-parse', '--short', commit).trim()}: median (least–most) of ${count} rounds\n`,
    )
    for (const name of names) {
      const args = ['--only', name, '--rounds', String(count), ...(quick ? ['--quick'] : [])]
      const ours = sideOf(root, args)
      await ours.begin()
      const theirs = sideOf(tree, args)
      await theirs.begin()
      for (let round = 0; !ours.isAtEnd || !theirs.isAtEnd; round++)
        for (const side of round % 2 === 0 ? [ours, theirs] : [theirs, ours]) await side.turn()
      for (const [side, what] of [
        [ours, 'here'],
        [theirs, 'there'],
      ]) {
        if (side.code === 0) continue
        failed = true
        process.stdout.write(`${name.padEnd(56)} did not run ${what}: ${side.said.trim().split('\n').at(-1)}\n`)
      }
      for (const [at, one] of ours.reports.entries()) show(one, theirs.reports[at])
    }
  } finally {
    remove()
  }
  return !failed
}

function show(ours, theirs) {
  if (theirs === undefined) return
  const pairs = ours.values.slice(0, theirs.values.length).map((value, at) => [value, theirs.values[at]])
  const value =
    pairs.length === 0
      ? `${ours.value} here, ${theirs.value} there`
      : `cpu ${ratioText(pairs, (one) => one.cpu)}, wall ${ratioText(pairs, (one) => one.wall)}`
  process.stdout.write(`${ours.name.padEnd(56)} ${value}\n`)
}
