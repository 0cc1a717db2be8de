"""A person's way through the pages, in a real browser and with real pictures of the miniature."""

import re

import pytest

from tests.browser.conftest import Watch, say
from tests.e2e.processes import Site

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

MODEL = "/models/hevok/studio-trigger"
PROMPT = "<lora:Studio-Trigger:1.0>, studio style, a large red heart on a teal background"
MOST_BYTES = 150_000


def sign_in(watch: Watch, site: Site, place: str = "/sign-in") -> None:
    made = site.default_project()
    watch.goto(place)
    watch.page.get_by_label("API key").fill(made.api_key)
    watch.page.get_by_label("API secret").fill(str(made.api_secret))
    watch.page.get_by_role("button", name="Sign in").click()
    watch.page.wait_for_url("**/models")


def start(watch: Watch, **values: str) -> None:
    page = watch.page
    for name, value in values.items():
        field = page.locator(f"[name={name}]")
        if not field.is_visible():
            page.locator(f"details:has([name={name}]) > summary").click()
        field.fill(value)
    page.get_by_role("button", name="Run", exact=True).click()


def test_from_the_first_visit_to_the_history(visit, site):
    with visit(site) as watch:
        watch.goto("/models")
        watch.judge("models")
        watch.shoot("models")
        follow_the_link(watch, site)

        watch.page.get_by_role("link", name="Studio-Trigger").click()
        watch.page.locator("#miniature").wait_for()
        foresee(watch)
        watch.judge("model")
        watch.shoot("model-first")
        drawn = draw_two(watch)
        killed = kill_one(watch)

        find_both(watch, {drawn: "done", killed: "cancelled"})
        watch.page.locator("#list a").click()
        watch.page.locator("#pictures figure").nth(1).wait_for()
        watch.page.locator("#timeline svg rect.decode").wait_for()
        legend = " ".join(watch.page.locator("#timeline .legend li").all_inner_texts())
        assert re.search(r"waiting .* preparing .* base .* refiner .* decode .* storing .* in all", legend), legend
        watch.judge("task")
        watch.shoot("task")
        watch.check()


def follow_the_link(watch: Watch, site: Site) -> None:
    link = re.search(r"open http://\S+/sign-in(#code=\S+)", site.processes[0].said)
    assert link, site.processes[0].said
    watch.goto("/sign-in" + link[1])
    watch.page.wait_for_url("**/models")
    assert "code" not in watch.page.evaluate("location.href")
    watch.page.get_by_text("Sign out").wait_for()


def foresee(watch: Watch) -> None:
    page = watch.page
    page.locator("[name=prompt]").fill(PROMPT)
    page.get_by_text(re.compile(r"^\d+ base \+ \d+ refiner steps")).wait_for()
    assert re.fullmatch(r"\d+/75", page.locator("[data-tokens=prompt]").inner_text())
    assert page.locator("#lora-list .name").all_inner_texts() == ["Studio-Trigger"]
    assert "Studio-Trigger" in page.locator("#lora-names option").evaluate_all("all => all.map((it) => it.value)")
    watch.until("words => document.querySelector('[data-code=\"run python\"]').textContent.includes(words)", PROMPT)


def draw_two(watch: Watch) -> str:
    page = watch.page
    start(watch, samples="2", steps="80", seed="7")  # for long enough that a slow browser sees a preview
    page.locator(".stages [aria-current=step][data-stage=Draw]").wait_for()
    page.locator(".preview img").wait_for()
    page.get_by_text(re.compile(r"^Step \d+ of \d+ · ")).wait_for()
    watch.shoot("model-running")
    page.locator("#result[data-state=done]").wait_for(timeout=180_000)
    assert page.locator("#stage figure").count() == 2
    watch.until("[...document.querySelectorAll('#stage img')].every((it) => it.complete && it.naturalWidth)")
    assert page.locator("#stage .seed").all_inner_texts() == ["seed 7", "seed 8"]
    page.locator("#latest-list img").first.wait_for()
    watch.judge("model with pictures")
    watch.shoot("model")
    look_closer(watch)
    return page.locator("#actions a").inner_text().split()[-1]


def kill_one(watch: Watch) -> str:
    page = watch.page
    start(watch, samples="4", steps="150", width="1024", height="1024")
    page.locator(".stages [aria-current=step][data-stage=Draw]").wait_for()
    page.get_by_role("button", name="Kill").click()
    page.locator("#result[data-state=cancelled]").wait_for()
    return page.locator("#actions a").inner_text().split()[-1]


def find_both(watch: Watch, states: dict[str, str]) -> None:
    page = watch.page
    page.get_by_role("link", name="Tasks", exact=True).click()
    page.locator("#list li").nth(1).wait_for()
    ids = page.locator("#list li").evaluate_all("all => all.map((it) => it.dataset.id)")
    assert dict(zip(ids, page.locator("#list .badge").all_inner_texts(), strict=True)) == states
    page.locator("#list img").first.wait_for()
    watch.judge("tasks")
    watch.shoot("tasks")
    page.get_by_label("Status").select_option("done")
    watch.until("document.querySelectorAll('#list li').length === 1")


def look_closer(watch: Watch) -> None:
    page = watch.page
    page.locator("#stage button.picture").first.click()
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("ArrowRight")
    page.get_by_text("2 of 2").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")


def test_sign_in_by_key_and_secret_and_out_again(visit, site):
    with visit(site) as watch:
        watch.goto("/sign-in")
        watch.page.get_by_label("API key").fill("no-such-key")
        watch.page.get_by_role("button", name="Sign in").click()
        watch.page.locator("#problem").wait_for()
        watch.judge("sign-in")
        watch.shoot("sign-in")
        # The browser itself writes a line about the 401 that was asked for.
        watch.complaints[:] = [it for it in watch.complaints if "401" not in it]
        sign_in(watch, site)
        kept = watch.page.evaluate("[Object.keys(localStorage).length, document.cookie, sessionStorage.length]")
        assert kept == [0, "", 1]
        watch.page.get_by_text("Sign out").click()
        watch.page.get_by_role("link", name="Sign in").wait_for()
        watch.check()


def test_signing_out_leaves_nothing_in_any_tab(visit, site):
    with visit(site) as watch:
        sign_in(watch, site)
        watch.goto(MODEL)
        watch.page.locator("[name=prompt]").fill("a blue circle")
        watch.page.get_by_role("button", name="Run").click()
        other = watch.page.context.new_page()
        other.goto(f"{watch.origin}/tasks")
        other.locator("[data-id]").first.wait_for()
        watch.page.get_by_text("Sign out").click()
        other.get_by_text("Sign in to see the tasks of your project.").wait_for()
        assert other.locator("[data-id]").count() == 0
        watch.page.get_by_role("link", name="Sign in").wait_for()
        assert watch.page.locator("#result img").count() == 0


@pytest.mark.parametrize("away", ["%2F%09%2Fa.example", "%2F%2Fa.example", "%2F%5Ca.example", "https:%2F%2Fa.example"])
def test_signing_in_leads_to_no_other_site(visit, site, away: str):
    with visit(site) as watch:
        sign_in(watch, site, f"/sign-in?next={away}")
        assert watch.page.url.startswith(watch.origin)


def test_the_model_page_is_light(visit, site):
    with visit(site) as watch:
        watch.goto(MODEL)
        watch.page.wait_for_load_state("networkidle")
        painted = watch.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        sizes = [it.request.sizes() for it in watch.responses if "image/" not in it.headers.get("content-type", "")]
        sent = sum(it["responseBodySize"] + it["responseHeadersSize"] for it in sizes)
        say(f"model page: first contentful paint after {painted:.0f} ms, {sent / 1000:.0f} kB without pictures")
        assert sent < MOST_BYTES
        watch.check()


def test_the_dry_run_tells_the_cards_own_steps(visit, quick):
    with visit(quick) as watch:
        sign_in(watch, quick)
        watch.goto(MODEL)
        watch.page.locator("[name=prompt]").fill("a red fox")
        watch.page.get_by_text("47 base + 4 refiner steps").wait_for()
        watch.check()


def test_pictures_are_covered_until_somebody_asks(visit, quick):
    task = quick.client().finish()
    with visit(quick) as watch:
        sign_in(watch, quick)
        watch.goto(f"/tasks/{task['id']}")
        covered = watch.page.locator("#pictures .picture")
        covered.wait_for()
        assert "blur" in covered.locator("img").evaluate("it => getComputedStyle(it).filter")
        watch.shoot("task-blurred")
        covered.press("Enter")
        assert watch.page.get_by_role("dialog").count() == 0
        watch.until("() => getComputedStyle(document.querySelector('#pictures img')).filter === 'none'")
        covered.click()
        watch.page.get_by_role("dialog").wait_for()
        watch.check()


def test_a_long_history_has_pages(visit, quick):
    for _ in range(21):
        last = quick.client().run(steps="1")
    quick.client().follow(last["socketaccesstoken"])
    with visit(quick) as watch:
        sign_in(watch, quick)
        watch.goto("/tasks")
        watch.page.get_by_text(re.compile(r"^1–20 of \d+$")).wait_for()
        watch.page.get_by_role("button", name="Older").click()
        watch.page.get_by_text(re.compile(r"^21–\d+ of \d+$")).wait_for()
        watch.page.get_by_label("Model").select_option("stabilityai/stable-diffusion-xl-base-1.0")
        watch.page.locator("#none").wait_for()
        watch.check()


def test_a_task_is_run_again_and_its_files_are_deleted(visit, quick):
    task = quick.client().finish(callbackUrl="http://127.0.0.1:1/done")
    with visit(quick) as watch:
        page = watch.page
        sign_in(watch, quick)
        watch.goto(f"/tasks/{task['id']}")
        page.locator("#webhooks-list").get_by_text("http://127.0.0.1:1/done").wait_for()
        page.get_by_role("button", name="Run again").click()
        page.wait_for_url(re.compile(rf"/tasks/(?!{task['id']}$)\d+$"))
        page.locator("#pictures figure").wait_for()
        page.get_by_role("button", name="Delete files").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.get_by_text("The files of this task were deleted on request.").wait_for()
        page.get_by_role("link", name="Use these settings").click()
        watch.until("() => document.querySelector('[name=prompt]').value === 'a small red circle on a blue background'")
        assert page.locator("[name=steps]").input_value() == "10"
        watch.check()
