# What is done every day, by one word each: https://just.systems

bun := "npx -y bun@1.4.4"

# what there is
_default:
    @just --list --unsorted

# a server from source, started again at every change; its data in .dev
dev *options: install
    {{ bun }} --watch src/cli.ts server --data .dev {{ options }}

# every test, or those in the files named
test *files: install
    {{ bun }} test --timeout 60000 {{ files }}

# what has to hold before a change lands
check:
    .ci/run

# measures it beside what it is compared with: some seven minutes, --quick for two, --json for machines
bench *options: install
    {{ bun }} run bench {{ options }}

# the single binary of this machine, in dist/
build: install
    {{ bun }} run build here

# the server's image
docker *options:
    docker build -t claude-remote {{ options }} .

# what a release consists of, in dist/, from a clean tree that holds
release *options: _clean check
    .ci/release build {{ options }}

install:
    {{ bun }} install --frozen-lockfile

_clean:
    @test -z "$(git status --porcelain)" || { echo "there are changes that are not committed" >&2; exit 1; }
